//! `/v1/chat`: a turn, streamed or whole; going on with its stream; stopping its answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chatbot_api::error::ErrorOut;
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json, LastEventId, Path};
use futures::{Stream, StreamExt as _, future, stream};
use uuid::Uuid;

use crate::limit::Shown;
use crate::tokens::SignedIn;
use crate::turn::{self, Asked, Turns, What};

/// Time without an event after which a comment is sent, so that nothing between takes the
/// connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Tells nginx to pass each event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

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
    State(turns): State<Turns>,
    SignedIn(caller): SignedIn,
    shown: Shown,
    key: Option<IdempotencyKey>,
    Json(request): Json<ChatIn>,
) -> Result<Response, ApiError> {
    turns.limits().turn(caller.user, &shown).await?;
    let key = key.unwrap_or_else(IdempotencyKey::random);
    let streamed = request.stream;
    let what = What::Begin { key, request };
    let asked = Asked { caller, what };
    if streamed {
        stream_of(turns.start(asked).0).await
    } else {
        Ok(axum::Json(turns.whole(asked).await?).into_response())
    }
}

/// Goes on with a stream: the events of a turn after the last one that was seen.
///
/// Any replica can do so while the answer is made, and after its end there is `done` with the turn as
/// it is stored. `error` with the code `interrupted` means that nobody makes the answer any more:
/// send the same request with the same idempotency key again.
#[utoipa::path(
    get, path = "/v1/chat/{turn_id}/events", tag = "chat",
    params(
        ("turn_id" = Uuid, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen; without it all events come.")
    ),
    responses(
        (status = 200, content((TurnEvent = "text/event-stream"))),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn resume(
    State(turns): State<Turns>,
    SignedIn(caller): SignedIn,
    Path(turn): Path<Uuid>,
    LastEventId(after): LastEventId,
) -> Result<Response, ApiError> {
    let what = What::Resume { turn, after };
    stream_of(turns.start(Asked { caller, what }).0).await
}

/// Stops the answer of a turn. What was there is stored, with the finish reason `cancelled`; a turn
/// that has its answer stays as it is.
#[utoipa::path(
    post, path = "/v1/chat/{turn_id}/cancel", tag = "chat",
    params(("turn_id" = Uuid, Path)),
    responses((status = 204), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn cancel(
    State(turns): State<Turns>,
    SignedIn(caller): SignedIn,
    Path(turn): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    turns.cancel(&caller, turn).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a response of events. What fails before the first one is an HTTP error.
async fn stream_of(
    mut events: impl Stream<Item = Result<turn::Event, ApiError>> + Send + Unpin + 'static,
) -> Result<Response, ApiError> {
    let first = events.next().await.ok_or_else(ApiError::defect)??;
    let rest = events.map(|event| {
        event.unwrap_or_else(|error| turn::Event {
            id: None,
            event: TurnEvent::Error {
                error: error.detail(),
            },
        })
    });
    let events = stream::once(future::ready(first)).chain(rest).map(|said| {
        let turn::Event { id, event } = said;
        let data = serde_json::to_string(&event).expect("an event can be written as JSON");
        let sent = match id {
            Some(id) => Event::default().id(id),
            None => Event::default(),
        };
        Ok::<_, Infallible>(sent.event(event.name()).data(data))
    });
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    response
        .headers_mut()
        .insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}
