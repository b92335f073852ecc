//! The interface for the gateway: [`chatbot_api::internal::chat`].

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use chatbot_api::internal::chat;
use chatbot_api::turns::{ChatIn, TurnEvent};
use chatbot_runtime::auth::{Caller, InternalAuth};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json};
use futures::stream;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::model::Model;
use crate::storage::Storage;
use crate::turns::{Progress, Turns};

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
    let streamed = request.stream;
    let mut progress = turns.start(caller, key, request);
    // What fails before the message is stored is an HTTP error, streamed or not.
    let first = match progress.recv().await {
        Some(Progress::Failed(error)) => return Err(error),
        Some(first) => first,
        None => return Err(ApiError::defect()),
    };
    if streamed {
        Ok(events(first, progress))
    } else {
        whole(progress).await
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

fn events(first: Progress, progress: UnboundedReceiver<Progress>) -> Response {
    let rest = stream::unfold((progress, false), |(mut progress, ended)| async move {
        if ended {
            return None;
        }
        // A task that ended without a last word has panicked.
        let next = progress
            .recv()
            .await
            .unwrap_or_else(|| Progress::Failed(ApiError::defect()));
        let ended = matches!(next, Progress::Done(_) | Progress::Failed(_));
        Some((next, (progress, ended)))
    });
    let all = futures::StreamExt::chain(stream::iter([first]), rest);
    let events =
        futures::StreamExt::map(all, |progress| Ok::<_, Infallible>(event(&progress.into())));
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

fn event(event: &TurnEvent) -> Event {
    let data = serde_json::to_string(event).expect("an event can be written as JSON");
    Event::default().event(event.name()).data(data)
}

async fn whole(mut progress: UnboundedReceiver<Progress>) -> Result<Response, ApiError> {
    while let Some(next) = progress.recv().await {
        match next {
            Progress::Accepted(_) | Progress::Delta(_) => {}
            Progress::Done(turn) => return Ok(axum::Json(turn).into_response()),
            Progress::Failed(error) => return Err(error),
        }
    }
    Err(ApiError::defect())
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
