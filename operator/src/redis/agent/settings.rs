//! What the agent is told at its start: read once, passed down.

use std::net::SocketAddr;
use std::path::PathBuf;

use chatbot_contract::{identity, ports, redis};

use crate::agent::Error;
use crate::agent::settings::{Common, Membership};

/// Settings of `chatbot-operator redis-agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// What every agent is told.
    #[command(flatten)]
    pub common: Common,

    /// Which member this is.
    #[command(flatten)]
    pub membership: Membership,

    /// Folder for generated files; lost at each start.
    #[arg(long, default_value = "/run/redis")]
    pub runtime: PathBuf,

    /// Settings of the server that a person chose, as lines of a configuration file.
    #[arg(long)]
    pub config: Option<PathBuf>,

    /// The server's program, Sentinel's too.
    #[arg(long, default_value = "/usr/local/bin/redis-server")]
    pub program: PathBuf,

    /// Address of probes and facts.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], ports::REDIS_AGENT)))]
    pub listen: SocketAddr,
}

impl Settings {
    /// Whether Sentinels choose the primary.
    pub(super) fn has_sentinel(&self) -> bool {
        self.membership.members.len() > 1
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
        let text = |key: &str| settings.common.secret(key);
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
