//! What the agent is told at its start: read once, passed down.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chatbot_contract::{identity, ports, redis};

use crate::agent::{Error, identity_text};

/// Settings of `chatbot-operator redis-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Name of this member: its pod's.
    #[arg(long, env = "POD_NAME")]
    pub member: String,

    /// All members, separated by commas.
    #[arg(long, env = "MEMBERS", value_delimiter = ',')]
    pub members: Vec<String>,

    /// What makes a member's name the name of its Service; nothing where members are named by their addresses.
    #[arg(long, env = "MEMBER_DOMAIN", default_value = "")]
    pub domain: String,

    /// The container's memory limit, in bytes.
    #[arg(long, env = "MEMORY_LIMIT")]
    pub memory: u64,

    /// The member's volume.
    #[arg(long, default_value = "/data")]
    pub volume: PathBuf,

    /// Folder for generated files; lost at each start.
    #[arg(long, default_value = "/run/redis")]
    pub runtime: PathBuf,

    /// Folder with the files of the identity Secret.
    #[arg(long, default_value = "/etc/chatbot/identity")]
    pub identity: PathBuf,

    /// Settings of the server that a person chose, as lines of a configuration file.
    #[arg(long)]
    pub config: Option<PathBuf>,

    /// The server's program, Sentinel's too.
    #[arg(long, default_value = "/usr/local/bin/redis-server")]
    pub program: PathBuf,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::REDIS_AGENT)))]
    pub listen: SocketAddr,

    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
}

impl Settings {
    /// The name under which a member is looked up.
    pub(super) fn host(&self, member: &str) -> String {
        format!("{member}{}", self.domain)
    }

    /// Whether Sentinels choose the primary.
    pub(super) fn has_sentinel(&self) -> bool {
        self.members.len() > 1
    }

    /// Where the agent reaches its own server.
    pub(super) const fn local(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }
}

/// What the agent needs of the identity Secret.
pub(super) struct Identity {
    pub(super) token: String,
    /// Accounts and their passwords.
    passwords: Vec<(&'static str, String)>,
}

impl Identity {
    /// Reads the mounted files.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let text = |key: &str| identity_text(&settings.identity, key);
        Ok(Self {
            token: text(identity::REDIS_AGENT_TOKEN)?,
            passwords: redis::ACCOUNTS
                .into_iter()
                .map(|account| Ok((account, text(&identity::redis_password(account))?)))
                .collect::<Result<_, Error>>()?,
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

#[cfg(test)]
impl Identity {
    /// An identity with passwords that are easily found in a text.
    pub(super) fn of_test() -> Self {
        Self {
            token: "token".to_owned(),
            passwords: redis::ACCOUNTS
                .into_iter()
                .map(|account| (account, format!("secret-of-{account}")))
                .collect(),
        }
    }
}
