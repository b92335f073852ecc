//! Where MySQL is and how to log in.

use std::path::PathBuf;
use std::time::Duration;

use chatbot_contract::environment;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::Error;
use crate::host::Host;
use crate::tls::Authority;

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
    /// Whether the server's certificate is checked.
    #[arg(long = "mysql-tls", env = environment::MYSQL_TLS, value_enum, default_value_t = Tls::Unverified)]
    pub tls: Tls,
    /// File with the certificate authorities that it is checked with, besides the system's roots.
    #[arg(long = "mysql-ca-file", env = environment::MYSQL_CA_FILE)]
    pub ca_file: Option<PathBuf>,
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

/// What is asked of the connection, which is encrypted in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tls {
    /// Nothing more: MySQL makes itself a certificate that nobody else knows.
    #[default]
    Unverified,
    /// That the server's certificate is from an authority that is trusted, and for the server's name.
    Verified,
}

impl Config {
    /// Options to connect to `host`, with password and authority as they are now.
    pub(super) fn options(&self, host: &Host) -> Result<MySqlConnectOptions, Error> {
        let password =
            std::fs::read_to_string(&self.password_file).map_err(|source| Error::Password {
                path: self.password_file.clone(),
                source,
            })?;
        let verified = self.tls == Tls::Verified;
        let authority = Authority::read(
            environment::MYSQL_CA_FILE,
            self.ca_file.as_deref(),
            verified,
        )?;
        let options = MySqlConnectOptions::new()
            .host(&host.name)
            .port(host.port)
            .username(&self.user)
            .password(password.trim_end_matches(['\r', '\n']))
            .database(&self.schema)
            .ssl_mode(match self.tls {
                Tls::Unverified => MySqlSslMode::Required,
                Tls::Verified => MySqlSslMode::VerifyIdentity,
            });
        Ok(match authority {
            Some(authority) => options.ssl_ca(authority.path()),
            None => options,
        })
    }
}
