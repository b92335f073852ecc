//! What the agent asks its own server and its own Sentinel.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chatbot_contract::redis::{ADMIN_ACCOUNT, PRIMARY_NAME};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, RedisConnectionInfo, RedisError, Value, cmd, from_redis_value,
};

use super::files::MAY_LEAD;
use crate::redis::facts::{Role, ServerFacts};

/// A program on this machine answers at once, or it hangs.
const LIMIT: Duration = Duration::from_secs(2);

/// The way to a program that speaks Redis's protocol.
pub(super) struct Server {
    address: SocketAddr,
    password: String,
    connection: Option<MultiplexedConnection>,
}

impl Server {
    /// A program at this address, of which the administrator has this password.
    pub(super) fn new(address: SocketAddr, password: &str) -> Self {
        Self {
            address,
            password: password.to_owned(),
            connection: None,
        }
    }

    /// What the server says of itself.
    pub(super) async fn facts(&mut self) -> Result<ServerFacts, RedisError> {
        let answer: Vec<Value> = self.ask(&cmd("ROLE")).await?;
        facts(answer).ok_or_else(unexpected)
    }

    /// Whether what the server has is in its file: a replica that took a copy of everything writes the file anew, and until
    /// that is done the file is older than the copy.
    pub(super) async fn is_written(&mut self) -> Result<bool, RedisError> {
        let mut asked = cmd("INFO");
        asked.arg("persistence");
        let answer: String = self.ask(&asked).await?;
        Ok(written(&answer))
    }

    /// The primary that the Sentinel names.
    pub(super) async fn watched(&mut self) -> Result<IpAddr, RedisError> {
        let mut asked = cmd("SENTINEL");
        asked.arg("GET-MASTER-ADDR-BY-NAME").arg(PRIMARY_NAME);
        let (address, _): (String, String) = self.ask(&asked).await?;
        address.parse().map_err(|_| unexpected())
    }

    /// Lets the server become primary.
    pub(super) async fn may_lead(&mut self) -> Result<(), RedisError> {
        let mut asked = cmd("CONFIG");
        asked.arg("SET").arg("replica-priority").arg(MAY_LEAD);
        self.ask(&asked).await
    }

    /// Holds writes back for some time, so that replicas catch up.
    pub(super) async fn hold_writes(&mut self, time: Duration) -> Result<(), RedisError> {
        let mut asked = cmd("CLIENT");
        asked
            .arg("PAUSE")
            .arg(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
            .arg("WRITE");
        self.ask(&asked).await
    }

    /// Has the Sentinel choose another primary, without asking the others.
    pub(super) async fn fail_over(&mut self) -> Result<(), RedisError> {
        let mut asked = cmd("SENTINEL");
        asked.arg("FAILOVER").arg(PRIMARY_NAME);
        self.ask(&asked).await
    }

    async fn ask<T: FromRedisValue>(&mut self, asked: &Cmd) -> Result<T, RedisError> {
        let mut open = match self.connection.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let answer = asked.query_async(&mut open).await?;
        self.connection = Some(open);
        Ok(answer)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let login = RedisConnectionInfo::default()
            .set_username(ADMIN_ACCOUNT)
            .set_password(&self.password)
            .set_skip_set_lib_name();
        let address = ConnectionAddr::Tcp(self.address.ip().to_string(), self.address.port());
        let info = address.into_connection_info()?.set_redis_settings(login);
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LIMIT))
            .set_response_timeout(Some(LIMIT));
        Client::open(info)?
            .get_multiplexed_async_connection_with_config(&limits)
            .await
    }
}

fn unexpected() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "the answer has another form",
    )
        .into()
}

/// Reads the answer to `INFO persistence` (<https://redis.io/docs/latest/commands/info/>).
fn written(answer: &str) -> bool {
    let says = |line: &str| answer.lines().any(|said| said.trim_end() == line);
    says("aof_rewrite_in_progress:0")
        && says("aof_rewrite_scheduled:0")
        && says("aof_last_bgrewrite_status:ok")
}

/// Reads the answer to `ROLE` (<https://redis.io/docs/latest/commands/role/>).
fn facts(answer: Vec<Value>) -> Option<ServerFacts> {
    let mut parts = answer.into_iter();
    let mut text = || from_redis_value::<String>(parts.next()?).ok();
    match text()?.as_str() {
        "master" => Some(ServerFacts {
            role: Role::Primary,
            in_step: true,
            offset: text()?.parse().ok()?,
        }),
        "slave" => {
            let (_address, _port, state) = (text()?, text()?, text()?);
            Some(ServerFacts {
                role: Role::Replica,
                in_step: state == "connected",
                // -1 before the first contact.
                offset: text()?.parse().unwrap_or(0),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_file_that_is_being_written_is_not_written() {
        let says = |progress, scheduled, last| {
            written(&format!(
                "# Persistence\r\nloading:0\r\naof_rewrite_in_progress:{progress}\r\naof_rewrite_scheduled:{scheduled}\r\naof_last_bgrewrite_status:{last}\r\n"
            ))
        };
        assert!(says(0, 0, "ok"));
        assert!(!says(1, 0, "ok"));
        assert!(!says(0, 1, "ok"));
        assert!(!says(0, 0, "err"));
    }

    #[test]
    fn a_primary_is_always_in_step() {
        let answer = vec![text("master"), Value::Int(3), Value::Array(Vec::new())];
        let expected = ServerFacts {
            role: Role::Primary,
            in_step: true,
            offset: 3,
        };
        assert_eq!(facts(answer), Some(expected));
    }

    #[test]
    fn a_replica_is_in_step_once_it_is_connected() {
        let answer = |state: &str, offset| {
            vec![
                text("slave"),
                text("198.18.0.1"),
                Value::Int(6379),
                text(state),
                Value::Int(offset),
            ]
        };
        let seen = facts(answer("sync", -1));
        assert!(seen.is_some_and(|seen| !seen.in_step && seen.offset == 0));
        let seen = facts(answer("connected", 9));
        assert!(seen.is_some_and(|seen| seen.in_step && seen.offset == 9));
    }

    #[test]
    fn what_is_neither_is_no_fact() {
        assert_eq!(facts(vec![text("sentinel")]), None);
    }
}
