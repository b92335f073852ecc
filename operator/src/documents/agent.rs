//! The document store's agent: the first process of PostgreSQL's container, and the parent of its server.
//!
//! It makes the data folder, starts the server, makes the extension and the account of the workloads, and tells what
//! it sees. FerretDB is another container of the pod, and begins when this one is ready.

mod files;
mod settings;
mod work;

use std::fs::File;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use files::ADDRESS;
pub use settings::Settings;

use super::facts::StoreFacts;
use crate::agent::board::{Board, Readiness};
use crate::agent::children::Children;
use crate::agent::{self, Error, http, io};

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
    let stop = CancellationToken::new();
    let told = agent::told_to_stop()?;
    let identity = settings::Identity::read(&settings)?;
    let lock = settings.volume.join("lock");
    let lock = File::create(&lock).map_err(io(format!("open {}", lock.display())))?;
    let board = Board::new(StoreFacts::default());
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
    let worker = work::Worker {
        children: children.clone(),
        board,
        lock,
        server: None,
        crashes_in_a_row: 0,
        not_before: Instant::now(),
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
