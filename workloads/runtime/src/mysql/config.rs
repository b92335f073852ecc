//! Where MySQL is and how to log in.

use std::path::PathBuf;
use std::time::Duration;

use chatbot_contract::environment;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::Error;

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

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl std::str::FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (
                name,
                port.parse()
                    .map_err(|_| format!("`{port}` in `{text}` is not a TCP port"))?,
            ),
            None => (text, chatbot_contract::ports::MYSQL),
        };
        if name.is_empty() {
            return Err(format!("`{text}` names no host; write host:port"));
        }
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
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

#[cfg(test)]
mod tests {
    use super::Host;

    #[test]
    fn a_host_is_a_name_and_a_port() {
        assert_eq!(
            "db-0.db:3307".parse(),
            Ok(Host {
                name: "db-0.db".to_owned(),
                port: 3307
            })
        );
        assert_eq!(
            "db".parse(),
            Ok(Host {
                name: "db".to_owned(),
                port: 3306
            })
        );
        assert!("db:x".parse::<Host>().is_err());
        assert!(":3306".parse::<Host>().is_err());
    }
}
