//! What the agent asks and tells the server, over its socket, each with a limit.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chatbot_contract::ports;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use uuid::Uuid;

use super::cnf::quoted;
use super::{Error, sql};
use crate::mysql::facts::{ServerFacts, ViewMember};

/// A question is answered within this time, or the server hangs.
pub(super) const QUESTION: Duration = Duration::from_secs(2);
/// The plug-in gives up a join after a minute.
const JOIN: Duration = Duration::from_secs(90);

/// Applied transactions of the group that the relay log keeps.
const RECEIVED: &str = "SELECT received_transaction_set FROM performance_schema.replication_connection_status \
     WHERE channel_name = 'group_replication_applier'";
const VIEW: &str = "SELECT member_id, member_host, member_state, member_role \
     FROM performance_schema.replication_group_members WHERE member_id <> ''";
const ITSELF: &str = "SELECT @@global.server_uuid AS server, @@global.version AS version, \
     @@global.gtid_executed AS executed, NOT @@global.super_read_only AS writable";

/// A server on this machine.
#[derive(Clone, Debug)]
pub(super) struct Server {
    socket: PathBuf,
    address: IpAddr,
}

impl Server {
    pub(super) fn new(socket: PathBuf, address: IpAddr) -> Self {
        Self { socket, address }
    }

    /// Logs in as root, who can come by the socket only, and needs no password there.
    pub(super) async fn root(&self) -> Result<MySqlConnection, Error> {
        let options = MySqlConnectOptions::new()
            .socket(&self.socket)
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
            .disable_statement_logging();
        limited(QUESTION, "log in", options.connect()).await
    }

    /// Whether an account takes a password. Over TCP: on the socket the server wants the password
    /// itself, and the client sends it encrypted.
    pub(super) async fn try_login(&self, account: &str, password: &str) -> Result<(), Error> {
        let options = MySqlConnectOptions::new()
            .host(&self.address.to_string())
            .port(ports::MYSQL)
            .username(account)
            .password(password)
            .ssl_mode(MySqlSslMode::Disabled)
            .disable_statement_logging();
        let connection = limited(QUESTION, "log in", options.connect()).await?;
        limited(QUESTION, "log out", connection.close()).await
    }

    /// Runs statements as root, one after the other.
    pub(super) async fn run(
        &self,
        what: &'static str,
        limit: Duration,
        statements: &[String],
    ) -> Result<(), Error> {
        let mut connection = self.root().await?;
        limited(limit, what, async {
            for statement in statements {
                sqlx::raw_sql(AssertSqlSafe(statement.clone()))
                    .execute(&mut connection)
                    .await?;
            }
            Ok(())
        })
        .await
    }

    /// Makes a group of this member alone.
    pub(super) async fn bootstrap(&self, account: &str, password: &str) -> Result<(), Error> {
        let mut connection = self.root().await?;
        let start = start_statement(account, password);
        let made = limited(JOIN, "make the group", async {
            for statement in [
                "SET GLOBAL offline_mode = OFF",
                "SET GLOBAL group_replication_bootstrap_group = ON",
                &start,
            ] {
                sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
                    .execute(&mut connection)
                    .await?;
            }
            Ok(())
        })
        .await;
        // Whatever happened: a later start must never make a second group.
        self.run(
            "forget to make a group",
            QUESTION,
            &["SET GLOBAL group_replication_bootstrap_group = OFF".to_owned()],
        )
        .await?;
        made
    }

    /// Joins the group that these members are in.
    ///
    /// An empty member copies everything at once. Another one fetches what it lacks, and copies
    /// only when nobody has that any more: a restart must not move the whole data set.
    pub(super) async fn join(
        &self,
        seeds: &[String],
        empty: bool,
        account: &str,
        password: &str,
    ) -> Result<(), Error> {
        self.run(
            "join the group",
            JOIN,
            &[
                "SET GLOBAL group_replication_bootstrap_group = OFF".to_owned(),
                format!(
                    "SET GLOBAL group_replication_group_seeds = {}",
                    quoted(&seeds.join(","))
                ),
                format!(
                    "SET GLOBAL group_replication_clone_threshold = {}",
                    if empty { "1" } else { "DEFAULT" }
                ),
                "SET GLOBAL offline_mode = OFF".to_owned(),
                start_statement(account, password),
            ],
        )
        .await
    }

    /// Leaves the group, or what is left of a failed membership.
    pub(super) async fn leave(&self, limit: Duration) -> Result<(), Error> {
        self.run(
            "leave the group",
            limit,
            &["STOP GROUP_REPLICATION".to_owned()],
        )
        .await
    }

    /// Makes another member the primary.
    pub(super) async fn hand_over(&self, to: Uuid, limit: Duration) -> Result<(), Error> {
        self.run(
            "hand the primary over",
            limit,
            &[format!("SELECT group_replication_set_as_primary('{to}')")],
        )
        .await
    }
}

/// The credentials stand in the statement: so they are kept in memory only, never on the volume.
fn start_statement(account: &str, password: &str) -> String {
    format!(
        "START GROUP_REPLICATION USER = {}, PASSWORD = {}",
        quoted(account),
        quoted(password)
    )
}

/// Asks the server for everything it says of itself.
pub(super) async fn facts(connection: &mut MySqlConnection) -> Result<ServerFacts, Error> {
    limited(QUESTION, "ask the server", async {
        let itself = sqlx::raw_sql(ITSELF).fetch_one(&mut *connection).await?;
        let received: Option<String> = sqlx::raw_sql(RECEIVED)
            .fetch_optional(&mut *connection)
            .await?
            .map(|row| row.try_get(0))
            .transpose()?;
        let view = sqlx::raw_sql(VIEW).fetch_all(&mut *connection).await?;
        Ok(ServerFacts {
            server_id: parsed(itself.try_get("server")?)?,
            version: itself.try_get("version")?,
            executed: parsed(itself.try_get("executed")?)?,
            received: parsed(received.unwrap_or_default())?,
            writable: itself.try_get::<i64, _>("writable")? == 1,
            view: view
                .iter()
                .map(|row| {
                    let role: String = row.try_get("member_role")?;
                    Ok(ViewMember {
                        server_id: parsed(row.try_get("member_id")?)?,
                        host: row.try_get("member_host")?,
                        state: parsed(row.try_get("member_state")?)?,
                        role: role.parse().ok(),
                    })
                })
                .collect::<Result<_, sqlx::Error>>()?,
        })
    })
    .await
}

fn parsed<T>(text: String) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|source| sqlx::Error::Decode(Box::new(source)))
}

async fn limited<T>(
    limit: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| Error::Timeout { what, limit })?
        .map_err(sql(what))
}
