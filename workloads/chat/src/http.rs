//! The interface for the gateway: [`chatbot_api::internal::chat`].

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::chat;
use chatbot_api::turns::{ChatIn, TurnEvent};
use chatbot_runtime::auth::{Caller, InternalAuth};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json, LastEventId, Path};
use futures::{StreamExt as _, future, stream};
use uuid::Uuid;

use crate::log::{Event, Events};
use crate::model::Model;
use crate::storage::Storage;
use crate::turns::Turns;

/// Longest name of a model.
const MODEL_CHARACTERS: usize = 128;

/// Time without an event after which a comment is sent, so that nothing between takes the
/// connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What handlers use.
pub struct AppState<M, S> {
    /// Runs turns.
    pub turns: Turns<M, S>,
    /// Checks calls.
    pub auth: InternalAuth,
}

impl<M, S> Clone for AppState<M, S> {
    fn clone(&self) -> Self {
        Self {
            turns: self.turns.clone(),
            auth: self.auth.clone(),
        }
    }
}

impl<M, S> FromRef<AppState<M, S>> for InternalAuth {
    fn from_ref(state: &AppState<M, S>) -> Self {
        state.auth.clone()
    }
}

impl<M, S> FromRef<AppState<M, S>> for Turns<M, S> {
    fn from_ref(state: &AppState<M, S>) -> Self {
        state.turns.clone()
    }
}

/// All routes of the workload.
pub fn router<M: Model, S: Storage>(state: AppState<M, S>) -> Router {
    Router::new()
        .route(chat::TURNS, post(turn::<M, S>))
        .route(chat::EVENTS, get(resume::<M, S>))
        .route(chat::CANCEL, post(cancel::<M, S>))
        .with_state(state)
}

async fn turn<M: Model, S: Storage>(
    State(turns): State<Turns<M, S>>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<ChatIn>,
) -> Result<Response, ApiError> {
    if let Some(model) = &request.model {
        check_model(model)?;
    }
    // What fails before the message is stored is an HTTP error.
    Ok(stream_of(turns.start(caller, key, request).await?))
}

async fn resume<M: Model, S: Storage>(
    State(turns): State<Turns<M, S>>,
    caller: Caller,
    Path(turn): Path<Uuid>,
    LastEventId(after): LastEventId,
) -> Result<Response, ApiError> {
    Ok(stream_of(turns.resume(caller, turn, after).await?))
}

async fn cancel<M: Model, S: Storage>(
    State(turns): State<Turns<M, S>>,
    caller: Caller,
    Path(turn): Path<Uuid>,
) -> Response {
    match turns.cancel(caller, turn).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            let misdirected = error.code == ErrorCode::Unavailable;
            let mut response = error.into_response();
            if misdirected {
                // The next attempt comes over a new connection, and so to another replica.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    }
}

/// A name as model APIs use them; whether there is such a model, the API says.
fn check_model(model: &str) -> Result<(), ApiError> {
    let fits = (1..=MODEL_CHARACTERS).contains(&model.len())
        && model
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte));
    if fits {
        return Ok(());
    }
    let message =
        format!("a model's name is 1 to {MODEL_CHARACTERS} letters, digits and . _ : / @ -");
    Err(ApiError::invalid("model", message))
}

fn stream_of(events: Events) -> Response {
    // Events that end without a last one are those of a task that has panicked.
    let defect = stream::once(future::ready(Event {
        id: None,
        event: TurnEvent::Error {
            error: ApiError::defect().detail(),
        },
    }));
    let whole = events.chain(defect).scan(false, |ended, event| {
        let before = *ended;
        *ended = matches!(
            event.event,
            TurnEvent::Done { .. } | TurnEvent::Error { .. }
        );
        future::ready((!before).then_some(event))
    });
    Sse::new(whole.map(|event| Ok::<_, Infallible>(sent(&event))))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

fn sent(Event { id, event }: &Event) -> sse::Event {
    let data = serde_json::to_string(event).expect("an event can be written as JSON");
    let sent = match id {
        Some(id) => sse::Event::default().id(id.to_string()),
        None => sse::Event::default(),
    };
    sent.event(event.name()).data(data)
}

#[cfg(test)]
mod tests {
    use super::check_model;

    #[test]
    fn a_models_name_is_plain() {
        for good in ["llama-3.3-70b-versatile", "openai/gpt-oss-120b", "a:b@c_d"] {
            assert!(check_model(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\nb", "ä", &"x".repeat(129)] {
            assert!(check_model(bad).is_err(), "{bad}");
        }
    }
}
