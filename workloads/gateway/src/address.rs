//! Where a request comes from: the address that failed attempts are counted by.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// Header of the load balancer, which replaces what a client sends in it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// How the address of a client is known.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Whether every request comes through a load balancer that sets the header itself; otherwise
    /// anybody could count as anybody else.
    pub trust_forwarded_for: bool,
}

/// The address a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl Addresses {
    fn of(self, headers: &HeaderMap, peer: Option<IpAddr>) -> IpAddr {
        let forwarded = headers
            .get(FORWARDED_FOR)
            .filter(|_| self.trust_forwarded_for)
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        // A router without a socket (a unit test) has no peer.
        forwarded
            .or(peer)
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress
where
    Addresses: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        Ok(Self(Addresses::from_ref(state).of(&parts.headers, peer)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use axum::http::HeaderMap;

    use super::Addresses;

    #[test]
    fn the_header_is_believed_only_where_the_load_balancer_sets_it() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "9.9.9.9, 192.0.2.7".parse().unwrap());
        let peer = Some("10.0.0.1".parse().unwrap());
        let of = |trust_forwarded_for| {
            Addresses {
                trust_forwarded_for,
            }
            .of(&headers, peer)
        };
        assert_eq!(of(true).to_string(), "192.0.2.7");
        assert_eq!(of(false).to_string(), "10.0.0.1");
        headers.insert("x-forwarded-for", "unknown".parse().unwrap());
        let trusting = Addresses {
            trust_forwarded_for: true,
        };
        assert_eq!(trusting.of(&headers, peer).to_string(), "10.0.0.1");
    }
}
