//! What the agent is told at its start: read once, passed down.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use chatbot_contract::{identity, mysql, ports};
use uuid::Uuid;

use super::Error;
use crate::agent::identity_text;

/// Settings of `chatbot-operator mysql-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Name of this member: its pod's, with the ordinal at its end.
    #[arg(long, env = "POD_NAME")]
    pub member: String,

    /// Address under which the other members reach this one.
    #[arg(long, env = "POD_IP")]
    pub address: IpAddr,

    /// Name that the server reports as its own.
    #[arg(long, env = "MEMBER_HOST")]
    pub host: String,

    /// Names or addresses of all members' agents, separated by commas; a name may stand for many addresses.
    #[arg(long, env = "MEMBER_PEERS", value_delimiter = ',')]
    pub peers: Vec<String>,

    /// ConfigMap with the bootstrap intent, in the pod's namespace.
    #[arg(long, env = "INTENT_CONFIG_MAP", conflicts_with = "intent_file")]
    pub intent: Option<String>,

    /// Namespace of that ConfigMap.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub namespace: String,

    /// File with the bootstrap intent as JSON, where there is no Kubernetes.
    #[arg(long)]
    pub intent_file: Option<PathBuf>,

    /// The member's volume.
    #[arg(long, default_value = "/var/lib/mysql")]
    pub volume: PathBuf,

    /// Folder for the socket and generated files; lost at each start.
    #[arg(long, default_value = "/var/run/mysqld")]
    pub runtime: PathBuf,

    /// Folder with the files of the identity Secret.
    #[arg(long, default_value = "/etc/chatbot/identity")]
    pub identity: PathBuf,

    /// Settings of the server that a person chose, as lines of a configuration file.
    #[arg(long)]
    pub config: Option<PathBuf>,

    /// The server's program.
    #[arg(long, default_value = "/usr/sbin/mysqld")]
    pub mysqld: PathBuf,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::MYSQL_AGENT)))]
    pub listen: SocketAddr,

    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
}

impl Settings {
    /// Where other members reach the server.
    #[must_use]
    pub fn group_address(&self) -> String {
        SocketAddr::new(self.address, ports::MYSQL).to_string()
    }

    /// The server's number in the group: the ordinal and one.
    #[must_use]
    pub fn server_number(&self) -> u32 {
        let digits = self.member.rsplit('-').next().unwrap_or_default();
        digits
            .parse()
            .map_or(1, |ordinal: u32| ordinal.saturating_add(1))
    }

    /// The server's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("mysqld.sock")
    }
}

/// The longest password that START GROUP_REPLICATION takes (MySQL error 3972). The account between
/// members has the first part of a longer one; nobody but they log in with it.
const MEMBERS_PASSWORD_LIMIT: usize = 32;

/// What the agent needs of the identity Secret.
pub(super) struct Identity {
    pub(super) group_id: Uuid,
    pub(super) token: String,
    /// Accounts and their passwords.
    pub(super) passwords: Vec<(&'static str, String)>,
}

impl Identity {
    /// Reads the mounted files.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let text = |key: &str| identity_text(&settings.identity, key);
        let group_id = text(identity::MYSQL_GROUP_ID)?
            .parse()
            .map_err(|_| Error::Identity(identity::MYSQL_GROUP_ID))?;
        let passwords = mysql::ACCOUNTS
            .into_iter()
            .map(|account| {
                let mut password = text(&identity::mysql_password(account))?;
                if account == mysql::REPLICATION_ACCOUNT {
                    password = password.chars().take(MEMBERS_PASSWORD_LIMIT).collect();
                }
                Ok((account, password))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            group_id,
            token: text(identity::MYSQL_AGENT_TOKEN)?,
            passwords,
        })
    }

    /// The password of an account.
    pub(super) fn password(&self, account: &str) -> &str {
        self.passwords
            .iter()
            .find(|(name, _)| *name == account)
            .map_or("", |(_, password)| password)
    }
}
