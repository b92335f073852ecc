//! Finds the server that takes writes.

use std::collections::HashMap;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Value, cmd};
use chatbot_contract::redis::PRIMARY_NAME;
use futures::future::join_all;
use tokio::time::Instant;

use super::client::{Link, RESPONSE_LIMIT};
use super::{Config, Error, Topology};
use crate::host::Host;

/// How long a connection may take, login included.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// Connects to the server that takes writes now.
pub(super) async fn find(config: &Config) -> Result<Link, Error> {
    let candidates = match config.topology {
        Topology::Single => config.hosts.iter().take(1).cloned().collect(),
        Topology::Sentinel => named(config).await?,
    };
    let mut last = Error::Away;
    for host in candidates {
        match connect(config, &host).await {
            Ok(link) => return Ok(link),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses that Sentinels name, what most of them name first.
pub(super) async fn named(config: &Config) -> Result<Vec<Host>, Error> {
    let answers = join_all(config.hosts.iter().map(|sentinel| ask(config, sentinel))).await;
    let mut votes: HashMap<Host, usize> = HashMap::new();
    let mut seen = Vec::new();
    let mut refused = None;
    for (sentinel, answer) in config.hosts.iter().zip(answers) {
        match answer {
            Ok(Some(host)) => *votes.entry(host).or_default() += 1,
            Ok(None) => seen.push(format!("{sentinel} knows no `{PRIMARY_NAME}`")),
            Err(error) => {
                seen.push(format!("{sentinel}: {}", error.chain()));
                if error.category() == super::Category::Refused {
                    refused = Some(error);
                }
            }
        }
    }
    if votes.is_empty() {
        // What a person can do something about says more than what is only away.
        return Err(refused.unwrap_or(Error::NoPrimary {
            seen: seen.join("; "),
        }));
    }
    let mut hosts: Vec<_> = votes.into_iter().collect();
    hosts.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    Ok(hosts.into_iter().map(|(host, _)| host).collect())
}

/// Asks one Sentinel for the primary.
async fn ask(config: &Config, sentinel: &Host) -> Result<Option<Host>, Error> {
    let mut connection = open(config, sentinel).await?;
    let address: Option<(String, u16)> = cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(PRIMARY_NAME)
        .query_async(&mut connection)
        .await
        .map_err(|source| Error::at(sentinel, source))?;
    Ok(address.map(|(name, port)| Host { name, port }))
}

/// Connects to a server and believes it only when it calls itself a primary.
async fn connect(config: &Config, host: &Host) -> Result<Link, Error> {
    let link = Link {
        host: host.clone(),
        connection: open(config, host).await?,
        since: Instant::now(),
    };
    check(&link).await?;
    Ok(link)
}

/// Asks the server whether it is a primary (`ROLE`).
pub(super) async fn check(link: &Link) -> Result<(), Error> {
    let mut connection = link.connection.clone();
    let role: Vec<Value> = cmd("ROLE")
        .query_async(&mut connection)
        .await
        .map_err(|source| Error::at(&link.host, source))?;
    let role = match role.first() {
        Some(Value::BulkString(name)) => String::from_utf8_lossy(name).into_owned(),
        Some(Value::SimpleString(name)) => name.clone(),
        _ => "server without a role".to_owned(),
    };
    if role == "master" {
        return Ok(());
    }
    Err(Error::NotPrimary {
        host: link.host.to_string(),
        role,
    })
}

async fn open(config: &Config, host: &Host) -> Result<MultiplexedConnection, Error> {
    let client = config.client(host)?;
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(RESPONSE_LIMIT));
    client
        .get_multiplexed_async_connection_with_config(&limits)
        .await
        .map_err(|source| Error::at(host, source))
}
