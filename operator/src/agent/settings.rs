//! What every engine's agent is told at its start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{Error, identity_text};

/// What an agent is told whatever its engine.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The container's memory limit, in bytes.
    #[arg(long, env = "MEMORY_LIMIT")]
    pub memory: u64,

    /// The volume.
    #[arg(long, default_value = "/data")]
    pub volume: PathBuf,

    /// Folder with the files of the identity Secret.
    #[arg(long, default_value = "/etc/chatbot/identity")]
    pub identity: PathBuf,

    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
}

impl Common {
    /// A value of the identity Secret.
    pub(crate) fn secret(&self, key: &str) -> Result<String, Error> {
        identity_text(&self.identity, key)
    }
}

/// Which member of an engine of several this is, and which others there are.
#[derive(Clone, Debug, clap::Args)]
pub struct Membership {
    /// Name of this member: its pod's.
    #[arg(long, env = "POD_NAME")]
    pub member: String,

    /// All members, separated by commas, always in the same order.
    #[arg(long, env = "MEMBERS", value_delimiter = ',')]
    pub members: Vec<String>,

    /// What makes a member's name the name of its Service; nothing where members are named by their addresses.
    #[arg(long, env = "MEMBER_DOMAIN", default_value = "")]
    pub domain: String,
}

impl Membership {
    /// The name under which a member is looked up, by agents, members and workloads.
    pub(crate) fn host(&self, member: &str) -> String {
        format!("{member}{}", self.domain)
    }

    /// The members besides this one.
    pub(crate) fn others(&self) -> impl Iterator<Item = &String> {
        let others = self.members.iter();
        others.filter(|member| **member != self.member)
    }
}

/// Where an agent reaches its own server.
pub(crate) const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
