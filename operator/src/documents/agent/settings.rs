//! What the agent is told at its start: read once, passed down.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chatbot_contract::{identity, ports};

use crate::agent::Error;
use crate::agent::settings::Common;

/// Settings of `chatbot-operator documents-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// What every agent is told.
    #[command(flatten)]
    pub common: Common,

    /// Folder for generated files; lost at each start.
    #[arg(long, default_value = "/run/documents")]
    pub runtime: PathBuf,

    /// Where FerretDB takes connections.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::DOCUMENTS)))]
    pub front: SocketAddr,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::DOCUMENTS_AGENT)))]
    pub listen: SocketAddr,
}

/// What the agent needs of the identity Secret.
pub(super) struct Identity {
    pub(super) token: String,
    /// Password of the workloads.
    pub(super) password: String,
}

impl Identity {
    /// Reads the mounted files.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let text = |key: &str| settings.common.secret(key);
        Ok(Self {
            token: text(identity::DOCUMENTS_AGENT_TOKEN)?,
            password: text(identity::DOCUMENTS_PASSWORD)?,
        })
    }
}
