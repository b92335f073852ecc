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
use std::time::Instant;

use chatbot_contract::{ports, redis};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use settings::Settings;

use super::facts::MemberFacts;
use crate::agent::board::{Board, Readiness};
use crate::agent::children::Children;
use crate::agent::peers::Peers;
use crate::agent::{self, Error, http, io};

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
    let stop = CancellationToken::new();
    let told = agent::told_to_stop()?;
    let identity = settings::Identity::read(&settings)?;
    let volume = volume::Volume::new(settings.volume.clone());
    let board = Board::new(MemberFacts {
        member: settings.member.clone(),
        seeded: volume.is_seeded(),
        ..MemberFacts::default()
    });
    let children = Children::default();
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(io(format!("listen on {}", settings.listen)))?;
    let served = CancellationToken::new();
    let pages = http::serve(
        listener,
        board.clone(),
        identity.token.clone(),
        served.clone(),
    );
    let admin = identity.password(redis::ADMIN_ACCOUNT);
    let worker = work::Worker {
        peers: Peers::new(ports::REDIS_AGENT, &identity.token)?,
        children: children.clone(),
        board,
        volume,
        addresses: BTreeMap::new(),
        server: work::Program::new(Settings::local(ports::REDIS), admin),
        sentinel: work::Program::new(Settings::local(ports::SENTINEL), admin),
        crashes_in_a_row: 0,
        not_before: Instant::now(),
        may_lead: false,
        settings,
        identity,
    };
    let work = async {
        let result = worker.run(stop.clone()).await;
        served.cancel();
        result
    };
    let signals = async {
        told.await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = async { tokio::try_join!(pages, work) } => result.map(|_| ()),
        result = children.reap() => result.map_err(io("reap processes")),
        () = signals => Ok(()),
    }
}
