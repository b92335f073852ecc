//! Asks the agents of the other members.
//!
//! Names are looked up by a resolver of our own: this static program must not load the C library's
//! plug-ins from whatever image it runs in.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures::future::join_all;
use hickory_resolver::TokioResolver;
use serde::de::DeserializeOwned;

use super::Error;
use super::http::FACTS;

/// How long one peer may take.
const LIMIT: Duration = Duration::from_secs(1);

/// The way to the agents of one engine's members.
pub(crate) struct Peers {
    port: u16,
    resolver: TokioResolver,
    client: reqwest::Client,
    token: String,
}

/// An answer, and when it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Answer<F> {
    pub(crate) facts: F,
    pub(crate) asked: Instant,
}

impl Peers {
    /// Agents that listen on this port and want to hear this token.
    pub(crate) fn new(port: u16, token: &str) -> Result<Self, Error> {
        let resolver = TokioResolver::builder_tokio()
            .and_then(|mut builder| {
                // A name of the cluster may appear at any moment: what is not there is asked again.
                builder.options_mut().cache_size = 0;
                builder.options_mut().timeout = LIMIT;
                builder.build()
            })
            .map_err(|source| Error::Resolver(Box::new(source)))?;
        Ok(Self {
            port,
            resolver,
            client: reqwest::Client::builder()
                .timeout(LIMIT)
                .no_proxy()
                // Peers speak plain HTTP; the engine's image may hold no certificates at all.
                .tls_certs_only([])
                .build()
                .map_err(Error::Client)?,
            token: token.to_owned(),
        })
    }

    /// Asks the agents at these addresses at once; who does not answer is left out.
    pub(crate) async fn ask<F: DeserializeOwned>(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Vec<Answer<F>> {
        join_all(addresses.into_iter().map(|address| self.ask_one(address)))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    async fn ask_one<F: DeserializeOwned>(&self, address: IpAddr) -> Option<Answer<F>> {
        let asked = Instant::now();
        let url = format!("http://{}{FACTS}", SocketAddr::new(address, self.port));
        let response = self.client.get(url).bearer_auth(&self.token).send().await;
        match response.and_then(reqwest::Response::error_for_status) {
            Ok(response) => Some(Answer {
                facts: response.json().await.ok()?,
                asked,
            }),
            Err(error) => {
                tracing::debug!(%address, %error, "a peer does not answer");
                None
            }
        }
    }

    /// The addresses that a name stands for at the moment; an address stands for itself.
    pub(crate) async fn addresses(&self, name: &str) -> BTreeSet<IpAddr> {
        if let Ok(address) = name.parse() {
            return BTreeSet::from([address]);
        }
        match tokio::time::timeout(LIMIT, self.resolver.lookup_ip(name)).await {
            Ok(Ok(found)) => return found.iter().collect(),
            Ok(Err(error)) => tracing::debug!(name, %error, "failed to look up a peer"),
            Err(_) => tracing::debug!(name, "no answer to the look-up of a peer"),
        }
        BTreeSet::new()
    }
}
