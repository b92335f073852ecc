//! The MongoDB agent: the first process of a member's container, and the parent of its server.
//!
//! It starts the server, makes the replica set of all members (only while all are heard and none has data), makes
//! the accounts where its member is primary, hands that over before a stop, and tells what it sees. Who is primary is
//! MongoDB's own to say, and a lost volume is its own to fill again.

mod choose;
mod client;
mod files;
mod settings;
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
        match (self.state(), &self.problem) {
            (Some(state), _) if self.in_step() => Ok(state.to_string()),
            (_, Some(problem)) => Err(problem.clone()),
            (Some(state), None) => Err(state.to_string()),
            (None, None) => Err("starting".to_owned()),
        }
    }
}

/// Runs a member until SIGTERM or SIGINT.
///
/// # Errors
/// The identity or the port cannot be used: nothing that goes away by itself.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let life = Life::begin(settings.listen).await?;
    let identity = settings::Identity::read(&settings)?;
    let board = Board::new(MemberFacts {
        member: settings.membership.member.clone(),
        ..MemberFacts::default()
    });
    let children = Children::default();
    let token = identity.token.clone();
    let worker = work::Worker {
        peers: Peers::new(ports::DOCUMENTS_AGENT, &identity.token)?,
        // What MongoDB lets a first caller do, it lets it do from its own machine only.
        client: client::Client::new(local(ports::DOCUMENTS), &identity.admin),
        children: children.clone(),
        board: board.clone(),
        server: None,
        crashes: Crashes::none(<work::Worker as Work>::BUSY),
        settings,
        identity,
    };
    life.live(worker, board, token, children).await
}
