//! Finds the server that takes writes.
//!
//! All hosts are asked at once, each with a short limit. A server is believed only about itself:
//! it must be ONLINE and PRIMARY in its own view, and see a majority of that view. The majority
//! matters when the network splits: the old primary of a minority still calls itself primary, and
//! would hold every commit until it gives up.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use sqlx::mysql::MySqlConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::{Category, Config, Error, Topology};
use crate::host::Host;

/// How long one server may take to say who it is.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(1);

const ITSELF: &str = "SELECT \
     MAX(IF(member_id = @@server_uuid, member_state, NULL)) AS state, \
     MAX(IF(member_id = @@server_uuid, member_role, NULL)) AS role, \
     CAST(SUM(member_state IN ('ONLINE', 'RECOVERING')) * 2 > COUNT(*) AS UNSIGNED) AS majority \
     FROM performance_schema.replication_group_members";

const WRITABLE: &str = "SELECT CAST(@@global.super_read_only OR @@global.read_only AS UNSIGNED)";

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It takes writes.
    Primary,
    /// It does not; the text says what it is.
    Other(String),
}

/// Gives the server that takes writes now.
pub(super) async fn find(config: &Config) -> Result<Host, Error> {
    match config.topology {
        Topology::Single => {
            let host = config.hosts.first().ok_or_else(|| Error::NoPrimary {
                seen: "no host is given".to_owned(),
            })?;
            match ask(config, host).await? {
                Said::Primary => Ok(host.clone()),
                Said::Other(_) => Err(Error::ReadOnly {
                    host: host.to_string(),
                }),
            }
        }
        Topology::Group => {
            let mut asked: FuturesUnordered<_> = config
                .hosts
                .iter()
                .map(|host| async move { (host, ask(config, host).await) })
                .collect();
            let mut answers = Vec::new();
            while let Some((host, answer)) = asked.next().await {
                if matches!(answer, Ok(Said::Primary)) {
                    return Ok(host.clone());
                }
                answers.push((host, answer));
            }
            Err(explain(answers))
        }
    }
}

/// Asks one server what it is.
pub(super) async fn ask(config: &Config, host: &Host) -> Result<Said, Error> {
    let asked = async {
        let connected = config.options(host)?.connect().await;
        let mut connection = connected.map_err(|source| Error::at(host, source))?;
        let said = itself(config.topology, &mut connection).await?;
        // The answer is known; how the server takes the farewell does not matter.
        let _ = connection.close().await;
        Ok(said)
    };
    tokio::time::timeout(PROBE_LIMIT, asked)
        .await
        .unwrap_or_else(|_| {
            Err(Error::Timeout {
                host: host.to_string(),
            })
        })
}

async fn itself(topology: Topology, connection: &mut MySqlConnection) -> Result<Said, Error> {
    match topology {
        Topology::Single => {
            let read_only: u64 = sqlx::query_scalar(WRITABLE).fetch_one(connection).await?;
            Ok(if read_only == 0 {
                Said::Primary
            } else {
                Said::Other("read-only".to_owned())
            })
        }
        Topology::Group => {
            let row = sqlx::query(ITSELF).fetch_one(connection).await?;
            let state: Option<String> = row.try_get("state")?;
            let role: Option<String> = row.try_get("role")?;
            let majority: Option<u64> = row.try_get("majority")?;
            Ok(judge(
                state.as_deref(),
                role.as_deref(),
                majority == Some(1),
            ))
        }
    }
}

/// Decides whether a server is the primary, by what it says of itself.
fn judge(state: Option<&str>, role: Option<&str>, majority: bool) -> Said {
    match (state, role) {
        (Some("ONLINE"), Some("PRIMARY")) if majority => Said::Primary,
        (Some("ONLINE"), Some("PRIMARY")) => Said::Other("primary without a majority".to_owned()),
        (Some(state), Some(role)) if !role.is_empty() => {
            Said::Other(format!("{role} {state}").to_lowercase())
        }
        (Some(state), _) => Said::Other(state.to_lowercase()),
        (None, _) => Said::Other("not in a group".to_owned()),
    }
}

/// Makes one error of what the servers answered: the one a person can do most about.
fn explain(answers: Vec<(&Host, Result<Said, Error>)>) -> Error {
    let seen = answers
        .iter()
        .map(|(host, answer)| match answer {
            Ok(Said::Primary) => format!("{host} is the primary"),
            Ok(Said::Other(what)) => format!("{host} is {what}"),
            Err(error) => format!("{host}: {}", error.chain()),
        })
        .collect::<Vec<_>>()
        .join("; ");
    let weight = |category| match category {
        Category::Refused => 3,
        Category::Misconfigured => 2,
        Category::Unreachable => 0,
        _ => 1,
    };
    if answers.iter().any(|(_, answer)| answer.is_ok()) {
        return Error::NoPrimary { seen };
    }
    answers
        .into_iter()
        .filter_map(|(_, answer)| answer.err())
        .max_by_key(|error| weight(error.category()))
        .unwrap_or(Error::NoPrimary { seen })
}

#[cfg(test)]
mod tests {
    use super::{Said, judge};

    #[test]
    fn only_an_online_primary_with_a_majority_is_believed() {
        assert_eq!(judge(Some("ONLINE"), Some("PRIMARY"), true), Said::Primary);
        assert_eq!(
            judge(Some("ONLINE"), Some("PRIMARY"), false),
            Said::Other("primary without a majority".to_owned())
        );
        assert_eq!(
            judge(Some("ONLINE"), Some("SECONDARY"), true),
            Said::Other("secondary online".to_owned())
        );
        assert_eq!(
            judge(Some("RECOVERING"), Some("SECONDARY"), true),
            Said::Other("secondary recovering".to_owned())
        );
        assert_eq!(
            judge(Some("OFFLINE"), Some(""), true),
            Said::Other("offline".to_owned())
        );
        assert_eq!(
            judge(None, None, false),
            Said::Other("not in a group".to_owned())
        );
    }
}
