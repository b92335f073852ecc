//! The agent's interface: probes for kubelet, facts for the operator and for other agents.
//!
//! Handlers answer from what was seen last and never ask the server, so a hung one holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use chatbot_contract::paths;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::seen::Board;
use super::{Error, io};
use crate::mysql::facts::{self, MemberFacts};

/// The watching task looks at least this often, unless the process is stuck.
const ALIVE: Duration = Duration::from_secs(30);
/// Facts older than this prove nothing to a readiness probe.
const FRESH: u64 = 5_000;

struct Shared {
    board: Board,
    token: String,
}

/// Serves until it is told to stop.
pub(super) async fn serve(
    listener: TcpListener,
    board: Board,
    token: String,
    stop: CancellationToken,
) -> Result<(), Error> {
    let router = Router::new()
        .route(paths::LIVEZ, get(livez))
        .route(paths::READYZ, get(readyz))
        .route(facts::PATH, get(tell))
        .with_state(Arc::new(Shared { board, token }));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(io("serve HTTP"))
}

async fn livez(State(shared): State<Arc<Shared>>) -> StatusCode {
    if shared.board.looked_within(ALIVE) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let facts = shared.board.facts();
    match &facts.server {
        Some(server) if server.is_online() && facts.age_ms < FRESH => {
            (StatusCode::OK, "online".to_owned())
        }
        Some(server) => (
            StatusCode::SERVICE_UNAVAILABLE,
            server.state().to_string().to_lowercase(),
        ),
        None => (StatusCode::SERVICE_UNAVAILABLE, facts.phase.to_string()),
    }
}

async fn tell(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<MemberFacts>, StatusCode> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if same(given, shared.token.as_bytes()) {
        Ok(Json(shared.board.facts()))
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

/// Compares without telling by its duration where the difference is.
fn same(given: &[u8], wanted: &[u8]) -> bool {
    given.len() == wanted.len()
        && given
            .iter()
            .zip(wanted)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}
