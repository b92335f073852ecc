//! `/v1/ws`: turns over a WebSocket.

pub(crate) mod frames;
mod session;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderValue;
use axum::response::Response;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::request_id::RequestId;

use crate::AppState;
use crate::requests::Asker;

/// The subprotocol.
const PROTOCOL: &str = "chatbot.v1";

/// What stands before an access token among the subprotocols: a browser can send no other header.
const BEARER: &str = "bearer.";

/// Largest frame of a client, in bytes.
const LARGEST: usize = chatbot_runtime::layers::BODY_LIMIT;

pub(crate) async fn upgrade(
    State(state): State<AppState>,
    request_id: RequestId,
    asker: Asker,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let mut upgrade =
        upgrade.map_err(|rejection| ApiError::invalid("upgrade", rejection.body_text()))?;
    let offered: Vec<String> = upgrade
        .requested_protocols()
        .filter_map(|protocol| protocol.to_str().ok())
        .flat_map(|protocols| protocols.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .collect();
    let identity = match offered
        .iter()
        .find_map(|protocol| protocol.strip_prefix(BEARER))
    {
        Some(token) => Some(state.tokens.verify(token).await?),
        None => None,
    };
    if let Some(identity) = &identity {
        asker.is(identity.user);
    }
    if offered.iter().any(|protocol| protocol == PROTOCOL) {
        upgrade.set_selected_protocol(HeaderValue::from_static(PROTOCOL));
    }
    // The process waits for it when it ends.
    let running = state.shutdown.session();
    Ok(upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_upgrade(async move |socket| {
            session::run(socket, state, identity, request_id).await;
            drop(running);
        }))
}
