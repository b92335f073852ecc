//! What the agent is told at its start: read once, passed down.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chatbot_contract::{identity, kafka, ports};

use crate::agent::{Error, identity_text};

/// Settings of `chatbot-operator kafka-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Name of this member: its pod's.
    #[arg(long, env = "POD_NAME")]
    pub member: String,

    /// All members, separated by commas; a member's place among them is its node id.
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
    #[arg(long, default_value = "/run/kafka")]
    pub runtime: PathBuf,

    /// Folder with the files of the identity Secret.
    #[arg(long, default_value = "/etc/chatbot/identity")]
    pub identity: PathBuf,

    /// Settings of the server that a person chose, as lines of a configuration file.
    #[arg(long)]
    pub config: Option<PathBuf>,

    /// Java's program; looked up as a shell does.
    #[arg(long, default_value = "java")]
    pub java: PathBuf,

    /// Kafka's jars, as a class path.
    #[arg(long, default_value = "/opt/kafka/libs/*")]
    pub class_path: String,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::KAFKA_AGENT)))]
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

    /// Kafka's id of a member.
    pub(super) fn node(&self, member: &str) -> Option<i32> {
        let place = self.members.iter().position(|name| name == member)?;
        i32::try_from(place).ok()
    }

    /// The member with an id of Kafka's.
    pub(super) fn of_node(&self, node: i32) -> Option<&str> {
        let place = usize::try_from(node).ok()?;
        self.members.get(place).map(String::as_str)
    }

    /// Where the agent reaches its own server.
    pub(super) const fn local() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::KAFKA_MEMBERS)
    }
}

/// What the agent needs of the identity Secret.
pub(super) struct Identity {
    pub(super) token: String,
    /// Password of the members among themselves.
    pub(super) member: String,
    /// Password of the workloads.
    pub(super) workload: String,
}

impl Identity {
    /// Reads the mounted files.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let text = |key: &str| identity_text(&settings.identity, key);
        Ok(Self {
            token: text(identity::KAFKA_AGENT_TOKEN)?,
            member: text(&identity::kafka_password(kafka::MEMBER_ACCOUNT))?,
            workload: text(&identity::kafka_password(kafka::WORKLOAD_ACCOUNT))?,
        })
    }
}
