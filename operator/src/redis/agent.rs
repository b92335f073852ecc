//! The Redis agent: the first process of a member's container, and the parent of its server and its Sentinel.
//!
//! It finds the address by which the member is announced, gives a Sentinel without a memory a primary to watch,
//! starts the server in the role that the Sentinels name (never an empty one as primary while another may
//! have data), hands over before a stop, and tells what it sees. Which member is primary is the Sentinels' to say.

mod choose;
mod files;
mod server;
mod settings;
mod volume;
mod work;

use std::collections::BTreeMap;

use chatbot_contract::{ports, redis};

pub use settings::Settings;

use super::facts::MemberFacts;
use crate::agent::Error;
use crate::agent::board::{Board, Readiness};
use crate::agent::children::Children;
use crate::agent::crashes::Crashes;
use crate::agent::life::{Life, Work};
use crate::agent::peers::Peers;
use crate::agent::settings::local;

impl Readiness for MemberFacts {
    fn ready(&self) -> Result<String, String> {
        match self.server {
            Some(server) if server.in_step => Ok(server.role.to_string().to_lowercase()),
            Some(_) => Err("syncing".to_owned()),
            None => Err(self
                .problem
                .clone()
                .unwrap_or_else(|| "starting".to_owned())),
        }
    }
}

/// Runs a member until SIGTERM or SIGINT.
///
/// # Errors
/// The volume, the identity or the port cannot be used: nothing that goes away by itself.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let life = Life::begin(settings.listen).await?;
    let identity = settings::Identity::read(&settings)?;
    let volume = volume::Volume::new(settings.common.volume.clone());
    let board = Board::new(MemberFacts {
        member: settings.membership.member.clone(),
        seeded: volume.is_seeded(),
        ..MemberFacts::default()
    });
    let children = Children::default();
    let token = identity.token.clone();
    let admin = identity.password(redis::ADMIN_ACCOUNT);
    let worker = work::Worker {
        peers: Peers::new(ports::REDIS_AGENT, &identity.token)?,
        children: children.clone(),
        board: board.clone(),
        volume,
        addresses: BTreeMap::new(),
        server: work::Program::new(local(ports::REDIS), admin),
        sentinel: work::Program::new(local(ports::SENTINEL), admin),
        crashes: Crashes::none(<work::Worker as Work>::CALM),
        may_lead: false,
        settings,
        identity,
    };
    life.live(worker, board, token, children).await
}
