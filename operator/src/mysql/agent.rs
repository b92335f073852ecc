//! The MySQL agent: the first process of a member's container, and the parent of its `mysqld`.
//!
//! It makes the data folder, starts the server read-only, brings it into the group, hands the
//! primary over before a stop, and tells what it sees. It decides nothing that concerns more than
//! its own member: a group is made only on the operator's intent ([`crate::mysql::intent`]).
//! Tasks: `seen` looks at the server, `work` acts; what answers and reaps is every agent's.

mod cnf;
mod intent;
mod plan;
mod seen;
mod settings;
mod sql;
mod volume;
mod work;

use std::time::{Duration, Instant};

use chatbot_contract::ports;
use futures::TryFutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use settings::Settings;

use crate::agent::children::Children;
use crate::agent::peers::Peers;
use crate::agent::{self, http};
use crate::mysql::facts::{MemberFacts, Phase, Record};

/// What the agent failed to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What every agent does.
    #[error(transparent)]
    Agent(#[from] agent::Error),
    /// The server refused.
    #[error("failed to {what}")]
    Sql {
        /// What was attempted.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// The server did not answer.
    #[error("failed to {what} within {limit:?}")]
    Timeout {
        /// What was attempted.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The empty data folder could not be made.
    #[error("mysqld --initialize ended with {0}")]
    Initialise(String),
    /// A value of the identity is wrong.
    #[error("the identity has no valid {0}")]
    Identity(&'static str),
    /// The pod has no service account, or the environment names no API server.
    #[error("the environment names no Kubernetes API")]
    NoCluster,
    /// Neither a ConfigMap nor a file was named.
    #[error("nothing says where the bootstrap intent stands")]
    NoIntentSource,
    /// The API server refused or did not answer.
    #[error("failed to ask the Kubernetes API")]
    Kubernetes(#[source] Box<kube::Error>),
    /// The intent is not one.
    #[error("failed to read the bootstrap intent")]
    Intent(#[source] crate::mysql::intent::Invalid),
}

impl Error {
    fn kubernetes(source: kube::Error) -> Self {
        Self::Kubernetes(Box::new(source))
    }
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let wrap = agent::io(what);
    move |source| Error::Agent(wrap(source))
}

fn sql(what: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Sql {
        what,
        source: Box::new(source),
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
    let record = volume.record()?.unwrap_or_else(|| Record {
        group_id: identity.group_id,
        ..Record::default()
    });
    let board = seen::Board::new(MemberFacts {
        member: settings.member.clone(),
        address: settings.group_address(),
        group_id: identity.group_id,
        phase: Phase::Preparing,
        record: record.clone(),
        server: None,
        age_ms: 0,
        problem: None,
        crashes: 0,
    });
    let server = sql::Server::new(settings.socket(), settings.address);
    let children = Children::default();
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(io(format!("listen on {}", settings.listen)))?;
    let worker = work::Worker {
        peers: Peers::new(ports::MYSQL_AGENT, &identity.token)?,
        intent: intent::Source::new(&settings)?,
        children: children.clone(),
        board: board.clone(),
        server: server.clone(),
        process: None,
        acted: Instant::now(),
        outside: None,
        doubts: 0,
        accounts_checked: false,
        new_data: false,
        crashes_in_a_row: 0,
        volume,
        record,
        settings,
        identity,
    };
    let served = CancellationToken::new();
    let http = http::serve(
        listener,
        board.clone(),
        worker.identity.token.clone(),
        served.clone(),
    );
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
        result = async { tokio::try_join!(http.map_err(Error::Agent), work) } => result.map(|_| ()),
        result = children.reap() => result.map_err(io("reap processes")),
        () = board.watch(server) => Ok(()),
        () = signals => Ok(()),
    }
}
