//! The Kafka agent: the first process of a member's container, and the parent of its server.
//!
//! It names the member's data folder, formats it (as one of the first quorum only while all remember the same
//! one, else to join), starts the server, declares the workloads' account where its member leads the quorum,
//! and tells what it sees. Who leads is Kafka's own to say.

mod choose;
mod client;
mod properties;
mod settings;
mod volume;
mod work;

use chatbot_contract::ports;

pub use settings::Settings;

use super::facts::MemberFacts;
use crate::agent::board::{Board, Readiness};
use crate::agent::children::Children;
use crate::agent::crashes::Crashes;
use crate::agent::life::{Life, Work};
use crate::agent::peers::Peers;
use crate::agent::settings::local;
use crate::agent::{Error, Told};

impl Readiness for MemberFacts {
    fn ready(&self) -> Result<String, String> {
        if self.in_step() {
            return Ok("in step".to_owned());
        }
        Err(match (&self.server, &self.problem) {
            (Some(server), _) if server.behind > 0 => {
                format!("{} partitions are not in step", server.behind)
            }
            (_, Some(problem)) => problem.clone(),
            (Some(_), None) => "joining".to_owned(),
            (None, None) => "starting".to_owned(),
        })
    }
}

/// Runs a member until SIGTERM or SIGINT.
///
/// # Errors
/// The volume, the identity or the port cannot be used: nothing that goes away by itself.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let life = Life::begin(settings.listen).await?;
    let identity = settings::Identity::read(&settings)?;
    let volume = volume::Volume::open(settings.common.volume.clone())?;
    let board = Board::new(MemberFacts {
        member: settings.membership.member.clone(),
        // Others may ask at once, and make a quorum of what they hear.
        directory: volume.record().directory.clone(),
        cluster: volume.record().cluster.clone(),
        voter: volume.record().voter,
        ..MemberFacts::default()
    });
    let children = Children::default();
    let token = identity.token.clone();
    let worker = work::Worker {
        peers: Peers::new(ports::KAFKA_AGENT, &identity.token)?,
        client: client::Client::new(local(ports::KAFKA_MEMBERS), &identity.member),
        children: children.clone(),
        board: board.clone(),
        volume,
        server: None,
        declared: false,
        crashes: Crashes::none(<work::Worker as Work>::BUSY),
        settings,
        identity,
    };
    life.live(worker, board, token, children).await
}
