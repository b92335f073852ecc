//! The document store's agent: the first process of PostgreSQL's container, and the parent of its server.
//!
//! It makes the data folder, starts the server, makes the extension and the account of the workloads, and tells what
//! it sees. FerretDB is another container of the pod, and begins when this one is ready.

mod files;
mod settings;
mod work;

use std::fs::File;

pub use files::ADDRESS;
pub use settings::Settings;

use super::facts::StoreFacts;
use crate::agent::board::{Board, Readiness};
use crate::agent::children::Children;
use crate::agent::crashes::Crashes;
use crate::agent::life::{Life, Work};
use crate::agent::{Error, io};

impl Readiness for StoreFacts {
    fn ready(&self) -> Result<String, String> {
        if self.prepared {
            return Ok("prepared".to_owned());
        }
        Err(self
            .problem
            .clone()
            .unwrap_or_else(|| "starting".to_owned()))
    }
}

/// Runs the store until SIGTERM or SIGINT.
///
/// # Errors
/// The volume, the identity or the port cannot be used: nothing that goes away by itself.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let life = Life::begin(settings.listen).await?;
    let identity = settings::Identity::read(&settings)?;
    let lock = settings.common.volume.join("lock");
    let lock = File::create(&lock).map_err(io(format!("open {}", lock.display())))?;
    let board = Board::new(StoreFacts::default());
    let children = Children::default();
    let token = identity.token.clone();
    let worker = work::Worker {
        children: children.clone(),
        board: board.clone(),
        lock,
        server: None,
        crashes: Crashes::none(<work::Worker as Work>::BUSY),
        settings,
        identity,
    };
    life.live(worker, board, token, children).await
}
