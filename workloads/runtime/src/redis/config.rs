//! Where Redis is and how to log in.

use std::path::PathBuf;

use ::redis::{
    Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, TlsCertificates,
};
use chatbot_contract::environment;

use super::Error;
use crate::host::Host;
use crate::tls::Authority;

/// Settings of the connection to Redis; without a host there is no Redis.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The Sentinels, or the one server, `host:port` separated by commas; absent: no Redis.
    #[arg(id = "redis-hosts", long = "redis-hosts", env = environment::REDIS_HOSTS, value_delimiter = ',')]
    pub hosts: Vec<Host>,
    /// Whether the hosts are Sentinels.
    #[arg(id = "redis-topology", long = "redis-topology", env = environment::REDIS_TOPOLOGY, value_enum, default_value_t = Topology::Single)]
    pub topology: Topology,
    /// ACL user, of Redis and of Sentinel.
    #[arg(id = "redis-user", long = "redis-user", env = environment::REDIS_USER)]
    pub user: Option<String>,
    /// File with the user's password; it is read for each connection, so that a corrected one is used.
    #[arg(id = "redis-password-file", long = "redis-password-file", env = environment::REDIS_PASSWORD_FILE)]
    pub password_file: Option<PathBuf>,
    /// Whether to speak TLS.
    #[arg(id = "redis-tls", long = "redis-tls", env = environment::REDIS_TLS, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub tls: bool,
    /// File with the certificate authorities that the certificate is checked with; absent: the system's roots.
    #[arg(id = "redis-ca-file", long = "redis-ca-file", env = environment::REDIS_CA_FILE)]
    pub ca_file: Option<PathBuf>,
}

/// How the hosts belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Topology {
    /// The first host is the server.
    #[default]
    Single,
    /// The hosts are Sentinels, which name the server.
    Sentinel,
}

impl Config {
    /// What connects to `host`, with password and authority as they are now.
    pub(super) fn client(&self, host: &Host) -> Result<Client, Error> {
        // Its name would need one more right at Redis and at Sentinel.
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(path) = &self.password_file {
            let password = std::fs::read_to_string(path).map_err(|source| Error::Password {
                path: path.clone(),
                source,
            })?;
            login = login.set_password(password.trim_end_matches(['\r', '\n']));
        }
        let address = if self.tls {
            ConnectionAddr::TcpTls {
                host: host.name.clone(),
                port: host.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host.name.clone(), host.port)
        };
        let authority = Authority::read(
            environment::REDIS_CA_FILE,
            self.ca_file.as_deref(),
            self.tls,
        )?;
        let failed = |source| Error::at(host, source);
        let info = address
            .into_connection_info()
            .map_err(failed)?
            .set_redis_settings(login);
        let client = match authority {
            Some(authority) => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(authority.pem().to_owned()),
                };
                Client::build_with_tls(info, certificates)
            }
            None => Client::open(info),
        };
        client.map_err(failed)
    }
}
