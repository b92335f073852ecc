//! An agent's interface: probes for kubelet, facts for the operator and for other agents.
//!
//! Handlers answer from what was seen last and never ask the server, so a hung one holds up nobody.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use chatbot_contract::paths;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Error, io};

/// Path of the facts on an agent's port; a bearer token is needed.
pub const FACTS: &str = "/facts";

/// What an agent knows at the moment.
pub(crate) trait Tell: Clone + Send + Sync + 'static {
    /// What it tells the operator and the other agents.
    type Facts: Serialize;

    /// Whether the agent can make progress.
    fn alive(&self) -> bool;

    /// Whether the server takes part, or a word on how it is.
    fn ready(&self) -> Result<String, String>;

    /// Everything.
    fn facts(&self) -> Self::Facts;
}

#[derive(Clone)]
struct Shared<T> {
    board: T,
    token: String,
}

/// Serves until it is told to stop.
pub(crate) async fn serve<T: Tell>(
    listener: TcpListener,
    board: T,
    token: String,
    stop: CancellationToken,
) -> Result<(), Error> {
    let router = Router::new()
        .route(paths::LIVEZ, get(livez::<T>))
        .route(paths::READYZ, get(readyz::<T>))
        .route(FACTS, get(tell::<T>))
        .with_state(Shared { board, token });
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(io("serve HTTP"))
}

async fn livez<T: Tell>(State(shared): State<Shared<T>>) -> StatusCode {
    if shared.board.alive() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn readyz<T: Tell>(State(shared): State<Shared<T>>) -> (StatusCode, String) {
    match shared.board.ready() {
        Ok(word) => (StatusCode::OK, word),
        Err(word) => (StatusCode::SERVICE_UNAVAILABLE, word),
    }
}

async fn tell<T: Tell>(
    State(shared): State<Shared<T>>,
    headers: HeaderMap,
) -> Result<Json<T::Facts>, StatusCode> {
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
