//! Asks the agents of the other members.
//!
//! Names are looked up by a resolver of our own: this static program must not load the C library's
//! plug-ins from whatever image it runs in.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use chatbot_contract::ports;
use futures::future::join_all;
use hickory_resolver::TokioResolver;

use super::Error;
use super::settings::Settings;
use crate::mysql::facts::{self, MemberFacts};

/// How long one peer may take.
const LIMIT: Duration = Duration::from_secs(1);

/// The other members' agents.
pub(super) struct Peers {
    names: Vec<String>,
    own: IpAddr,
    resolver: TokioResolver,
    client: reqwest::Client,
    token: String,
}

/// An answer, and since when it can hold.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) facts: MemberFacts,
    /// The server said so at this time or later.
    pub(super) since: Instant,
}

impl Peers {
    pub(super) fn new(settings: &Settings, token: &str) -> Result<Self, Error> {
        let resolver = TokioResolver::builder_tokio()
            .and_then(|mut builder| {
                // A name of the cluster may appear at any moment: what is not there is asked again.
                builder.options_mut().cache_size = 0;
                builder.options_mut().timeout = LIMIT;
                builder.build()
            })
            .map_err(|source| Error::Resolver(Box::new(source)))?;
        Ok(Self {
            names: settings.peers.clone(),
            own: settings.address,
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

    /// Asks them all at once; who does not answer is left out.
    pub(super) async fn ask(&self) -> Vec<Answer> {
        let addresses = self.addresses().await;
        join_all(addresses.into_iter().map(|address| self.ask_one(address)))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    async fn ask_one(&self, address: IpAddr) -> Option<Answer> {
        let asked = Instant::now();
        let url = format!(
            "http://{}{}",
            SocketAddr::new(address, ports::MYSQL_AGENT),
            facts::PATH
        );
        let response = self.client.get(url).bearer_auth(&self.token).send().await;
        let facts: MemberFacts = match response.and_then(reqwest::Response::error_for_status) {
            Ok(response) => response.json().await.ok()?,
            Err(error) => {
                tracing::debug!(%address, %error, "a peer does not answer");
                return None;
            }
        };
        let since = asked.checked_sub(Duration::from_millis(facts.age_ms))?;
        Some(Answer { facts, since })
    }

    async fn addresses(&self) -> BTreeSet<IpAddr> {
        let mut addresses = BTreeSet::new();
        for name in &self.names {
            if let Ok(address) = name.parse() {
                addresses.insert(address);
                continue;
            }
            match tokio::time::timeout(LIMIT, self.resolver.lookup_ip(name.as_str())).await {
                Ok(Ok(found)) => addresses.extend(found.iter()),
                Ok(Err(error)) => tracing::debug!(name, %error, "failed to look up the peers"),
                Err(_) => tracing::debug!(name, "no answer to the look-up of the peers"),
            }
        }
        addresses.remove(&self.own);
        addresses
    }
}
