//! Where messages may go: to the public internet, and to networks that an operator allows.
//!
//! Users name URLs, and the process that calls them stands inside a cluster: without this, a webhook would be a way to
//! its services (server side request forgery). So what counts is the address that a connection is made to: a name is looked up
//! once, here, and only addresses that passed are connected to ([`Resolver`]); an address in the URL is checked before each request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use chatbot_contract::environment;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// How long a name may take when a webhook is made; while it is sent to, the whole attempt is bounded.
const LOOKUP: Duration = Duration::from_secs(3);

/// Special-purpose blocks that are no place on the public internet (IANA's registry, RFC 6890), multicast and what is reserved.
const SPECIAL_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Special-purpose blocks within `2000::/3`, which is all that is given out for the public internet.
const SPECIAL_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Which addresses messages may go to.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Rules {
    /// Whether webhooks may be at `http` addresses, too: what is sent is signed, and can be read on its way.
    #[arg(long, env = environment::WEBHOOKS_ALLOW_HTTP, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub webhooks_allow_http: bool,
    /// Networks (CIDR) that webhooks may be in although they are not part of the public internet.
    #[arg(long, env = environment::WEBHOOKS_ALLOWED_NETWORKS, value_delimiter = ',')]
    pub webhooks_allowed_networks: Vec<IpNet>,
}

/// Why a URL is not sent to.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Its scheme.
    #[error("the URL must begin with https://")]
    Scheme,
    /// It holds a user or a password, which requests would show to whoever sees them.
    #[error("the URL must not hold a user or a password")]
    Credentials,
    /// Its host is an address, or has only addresses, that are not public.
    #[error(
        "the address of `{0}` is not on the public internet, and this system sends nothing to others"
    )]
    Address(String),
    /// Its host has no address.
    #[error("failed to look `{host}` up")]
    Name {
        /// The host.
        host: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Rules {
    /// Whether messages may go to this address.
    #[must_use]
    pub fn allow(&self, address: IpAddr) -> bool {
        let networks = &self.webhooks_allowed_networks;
        let address = address.to_canonical();
        is_public(address) || networks.iter().any(|network| network.contains(&address))
    }

    /// Checks what can be seen of a URL without a question.
    ///
    /// # Errors
    /// Fails when messages may not go there, whatever its name stands for.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        let http = self.webhooks_allow_http && url.scheme() == "http";
        if url.scheme() != "https" && !http {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let address: IpAddr = match url.host() {
            None => return Err(Refused::Scheme),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
        };
        if self.allow(address) {
            Ok(())
        } else {
            Err(Refused::Address(address.to_string()))
        }
    }

    /// Checks a URL with what its name stands for now. A name that cannot be looked up now may be there later.
    ///
    /// # Errors
    /// Fails when messages may not go there.
    pub async fn look_up(&self, url: &Url) -> Result<(), Refused> {
        self.check(url)?;
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        match tokio::time::timeout(LOOKUP, self.resolve(name)).await {
            Ok(Err(refused @ Refused::Address(_))) => Err(refused),
            Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
        }
    }

    /// The addresses of a name that messages may go to.
    async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, Refused> {
        let found = tokio::net::lookup_host((name, 0)).await;
        let found = found.map_err(|source| Refused::Name {
            host: name.to_owned(),
            source,
        })?;
        let allowed: Vec<_> = found.filter(|found| self.allow(found.ip())).collect();
        if allowed.is_empty() {
            return Err(Refused::Address(name.to_owned()));
        }
        Ok(allowed)
    }
}

/// Looks names up for connections: they get only addresses that passed.
pub(super) struct Resolver(pub(super) Rules);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.0.clone();
        Box::pin(async move {
            let addresses = rules.resolve(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|(network, length)| {
            let shift = 32 - u32::from(*length);
            address.to_bits() >> shift == network.to_bits() >> shift
        }),
        IpAddr::V6(address) => {
            let [first, second, .., high, low] = address.segments();
            // What NAT64 reaches is an IPv4 address (RFC 6052).
            if (first, second) == (0x64, 0xff9b) && address.segments()[2..6] == [0; 4] {
                let embedded = u32::from(high) << 16 | u32::from(low);
                return is_public(Ipv4Addr::from_bits(embedded).into());
            }
            first >> 13 == 1
                && !SPECIAL_V6.iter().any(|(network, length)| {
                    let shift = 128 - u32::from(*length);
                    address.to_bits() >> shift == network.to_bits() >> shift
                })
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use url::Url;

    use super::{Refused, Rules};

    fn development() -> Rules {
        Rules {
            webhooks_allow_http: true,
            webhooks_allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        }
    }

    fn refused(rules: &Rules, url: &str) -> Option<Refused> {
        rules.check(&Url::parse(url).unwrap()).err()
    }

    #[test]
    fn public_addresses_are_allowed_and_others_are_not() {
        let rules = Rules::default();
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(rules.allow(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
        ] {
            assert!(!rules.allow(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_url_is_https_without_credentials_at_a_public_address() {
        let rules = Rules::default();
        assert!(refused(&rules, "https://hooks.example.com/a?b=c").is_none());
        assert!(refused(&rules, "https://1.1.1.1:8443/").is_none());
        for scheme in [
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "data:,x",
        ] {
            assert!(
                matches!(refused(&rules, scheme), Some(Refused::Scheme)),
                "{scheme}"
            );
        }
        for user in ["https://a@example.com/", "https://:b@example.com/"] {
            assert!(
                matches!(refused(&rules, user), Some(Refused::Credentials)),
                "{user}"
            );
        }
        // The parser knows every way to write an address.
        for address in [
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:a00:1]/",
        ] {
            assert!(
                matches!(refused(&rules, address), Some(Refused::Address(_))),
                "{address}"
            );
        }
    }

    #[test]
    fn development_may_allow_http_and_networks() {
        assert!(refused(&development(), "http://127.0.0.1:3000/").is_none());
        assert!(refused(&development(), "http://[::ffff:127.0.0.1]/").is_none());
        assert!(refused(&development(), "http://10.0.0.1/").is_some());
        assert!(refused(&development(), "ftp://127.0.0.1/").is_some());
    }

    #[tokio::test]
    async fn a_name_counts_for_what_it_stands_for() {
        let url = Url::parse("https://localhost/").unwrap();
        let rules = Rules::default();
        assert!(rules.check(&url).is_ok());
        assert!(
            matches!(rules.look_up(&url).await, Err(Refused::Address(name)) if name == "localhost")
        );
        assert!(development().look_up(&url).await.is_ok());
    }
}
