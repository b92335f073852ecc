//! `POST /v1/chat`: a turn, streamed or whole.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chatbot_api::error::ErrorOut;
use chatbot_api::internal::chat;
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json};
use futures::{Stream, StreamExt as _, future, stream};

use crate::Callees;
use crate::sse;
use crate::tokens::SignedIn;
use crate::turn::{self, Asked};

/// Longest time for a whole answer: the longest a model may take, and the ways.
const WHOLE: Duration = Duration::from_secs(660);

/// Sends a message and gets the answer.
///
/// With `stream` set the answer comes as server-sent events: `accepted` once the message is stored,
/// `delta` for each piece, `restarted` when the pieces so far are void, and `done` or `error` at the end.
#[utoipa::path(
    post, path = "/v1/chat", tag = "chat",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request is one turn, however often it is sent.")),
    request_body = ChatIn,
    responses(
        (status = 200, content((TurnOut = "application/json"), (TurnEvent = "text/event-stream"))),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn chat(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    key: Option<IdempotencyKey>,
    Json(request): Json<ChatIn>,
) -> Result<Response, ApiError> {
    let key = key.unwrap_or_else(IdempotencyKey::random);
    if !request.stream {
        let call = callees
            .chat
            .post(chat::TURNS, &[])
            .on_behalf_of(&caller)
            .key(&key)
            .json(&request);
        let turn: TurnOut = call.deadline(WHOLE).receive().await?;
        return Ok(axum::Json(turn).into_response());
    }
    let mut events = Box::pin(turn::events(
        callees.chat,
        Asked {
            caller,
            key,
            request,
        },
    ));
    // What fails before the message is accepted is an HTTP error.
    let first = events.next().await.ok_or_else(ApiError::defect)??;
    Ok(stream_of(first, events))
}

fn stream_of(
    first: TurnEvent,
    rest: impl Stream<Item = Result<TurnEvent, ApiError>> + Send + 'static,
) -> Response {
    let rest = rest.map(|event| {
        event.unwrap_or_else(|error| TurnEvent::Error {
            error: error.detail(),
        })
    });
    let events = stream::once(future::ready(first)).chain(rest);
    sse::response(events, TurnEvent::name)
}
