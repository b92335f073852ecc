//! What the agent is told at its start: read once, passed down.

use std::net::SocketAddr;
use std::path::PathBuf;

use chatbot_contract::{identity, ports};

use crate::agent::Error;
use crate::agent::settings::{Common, Membership};

/// Settings of `chatbot-operator mongo-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// What every agent is told.
    #[command(flatten)]
    pub common: Common,

    /// Which member this is; the first of all makes the replica set.
    #[command(flatten)]
    pub membership: Membership,

    /// Folder for generated files; lost at each start.
    #[arg(long, default_value = "/run/documents")]
    pub runtime: PathBuf,

    /// MongoDB's server; looked up as a shell does.
    #[arg(long, default_value = "mongod")]
    pub mongod: PathBuf,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::DOCUMENTS_AGENT)))]
    pub listen: SocketAddr,
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
        let text = |key: &str| settings.common.secret(key);
        Ok(Self {
            token: text(identity::DOCUMENTS_AGENT_TOKEN)?,
            key: text(identity::DOCUMENTS_MEMBER_KEY)?,
            admin: text(identity::DOCUMENTS_ADMIN_PASSWORD)?,
            workload: text(identity::DOCUMENTS_PASSWORD)?,
        })
    }
}
