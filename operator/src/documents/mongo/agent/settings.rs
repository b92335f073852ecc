//! What the agent is told at its start: read once, passed down.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chatbot_contract::{identity, ports};

use crate::agent::{Error, identity_text};

/// Settings of `chatbot-operator mongo-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Name of this member: its pod's.
    #[arg(long, env = "POD_NAME")]
    pub member: String,

    /// All members, separated by commas; the first makes the replica set.
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
    #[arg(long, default_value = "/run/documents")]
    pub runtime: PathBuf,

    /// Folder with the files of the identity Secret.
    #[arg(long, default_value = "/etc/chatbot/identity")]
    pub identity: PathBuf,

    /// MongoDB's server; looked up as a shell does.
    #[arg(long, default_value = "mongod")]
    pub mongod: PathBuf,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::DOCUMENTS_AGENT)))]
    pub listen: SocketAddr,

    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
}

impl Settings {
    /// The name under which a member is looked up, by agents, members and workloads.
    pub(super) fn host(&self, member: &str) -> String {
        format!("{member}{}", self.domain)
    }

    /// Where the agent reaches its own server: what MongoDB lets a first caller do, it lets it do from here only.
    pub(super) const fn local() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::DOCUMENTS)
    }
}

/// What the agent needs of the identity Secret.
pub(super) struct Identity {
    pub(super) token: String,
    /// Content of the members' key file.
    pub(super) key: String,
    /// Password of the agents.
    pub(super) admin: String,
    /// Password of the workloads.
    pub(super) workload: String,
}

impl Identity {
    /// Reads the mounted files.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let text = |key: &str| identity_text(&settings.identity, key);
        Ok(Self {
            token: text(identity::DOCUMENTS_AGENT_TOKEN)?,
            key: text(identity::DOCUMENTS_MEMBER_KEY)?,
            admin: text(identity::DOCUMENTS_ADMIN_PASSWORD)?,
            workload: text(identity::DOCUMENTS_PASSWORD)?,
        })
    }
}
