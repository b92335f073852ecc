//! Where MySQL is and how to log in.

use std::path::PathBuf;
use std::time::Duration;

use chatbot_contract::environment;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::Error;
use crate::host::Host;

/// Settings of the connection to MySQL.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Servers, `host:port` separated by commas.
    #[arg(long = "mysql-hosts", env = environment::MYSQL_HOSTS, value_delimiter = ',', required = true)]
    pub hosts: Vec<Host>,
    /// Whether the servers are a replication group.
    #[arg(long = "mysql-topology", env = environment::MYSQL_TOPOLOGY, value_enum, default_value_t = Topology::Group)]
    pub topology: Topology,
    /// Account.
    #[arg(long = "mysql-user", env = environment::MYSQL_USER)]
    pub user: String,
    /// File with the account's password; it is read for each new pool, so that a corrected one is used.
    #[arg(long = "mysql-password-file", env = environment::MYSQL_PASSWORD_FILE)]
    pub password_file: PathBuf,
    /// Schema.
    #[arg(long = "mysql-schema", env = environment::MYSQL_SCHEMA)]
    pub schema: String,
    /// How long a unit of work is tried again.
    #[arg(skip = Duration::from_secs(30))]
    pub deadline: Duration,
}

/// How the servers belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Topology {
    /// A replication group with one primary, which is followed.
    Group,
    /// The first host, as it is.
    Single,
}

impl Config {
    /// Options to connect to `host`, with the password as it is now.
    ///
    /// TLS is required, and the server's certificate is not verified: MySQL makes its own.
    pub(super) fn options(&self, host: &Host) -> Result<MySqlConnectOptions, Error> {
        let password =
            std::fs::read_to_string(&self.password_file).map_err(|source| Error::Password {
                path: self.password_file.clone(),
                source,
            })?;
        Ok(MySqlConnectOptions::new()
            .host(&host.name)
            .port(host.port)
            .username(&self.user)
            .password(password.trim_end_matches(['\r', '\n']))
            .database(&self.schema)
            .ssl_mode(MySqlSslMode::Required))
    }
}
