//! What the agent is told at its start: read once, passed down.

use std::net::SocketAddr;
use std::path::PathBuf;

use chatbot_contract::{identity, kafka, ports};

use crate::agent::Error;
use crate::agent::settings::{Common, Membership};

/// Settings of `chatbot-operator kafka-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// What every agent is told.
    #[command(flatten)]
    pub common: Common,

    /// Which member this is; a member's place among all is its node id.
    #[command(flatten)]
    pub membership: Membership,

    /// Folder for generated files; lost at each start.
    #[arg(long, default_value = "/run/kafka")]
    pub runtime: PathBuf,

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
}

impl Settings {
    /// Kafka's id of a member.
    pub(super) fn node(&self, member: &str) -> Option<i32> {
        let place = self
            .membership
            .members
            .iter()
            .position(|name| name == member)?;
        i32::try_from(place).ok()
    }

    /// The member with an id of Kafka's.
    pub(super) fn of_node(&self, node: i32) -> Option<&str> {
        let place = usize::try_from(node).ok()?;
        self.membership.members.get(place).map(String::as_str)
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
        let text = |key: &str| settings.common.secret(key);
        Ok(Self {
            token: text(identity::KAFKA_AGENT_TOKEN)?,
            member: text(&identity::kafka_password(kafka::MEMBER_ACCOUNT))?,
            workload: text(&identity::kafka_password(kafka::WORKLOAD_ACCOUNT))?,
        })
    }
}
