//! The workloads behind the gateway: they check that they are called rightly, and answer by a script.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use chatbot_api::conversations::{MessageOut, Role};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::{MessageAtIn, chat, storage, user};
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use chatbot_contract::Workload;
use chatbot_runtime::auth::{Caller, InternalAuth, Peer};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json, LastEventId, Path, Query};
use futures::{StreamExt as _, stream};
use jsonwebtoken::jwk::JwkSet;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) const KEY: [u8; 32] = [3; 32];

/// What the chat workload does with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Refuses.
    Refuse(ErrorCode),
    /// Sends these events; without a last one the connection breaks then.
    Say(Vec<TurnEvent>),
    /// Sends these events and then nothing, until [`Behind::go_on`]; then it ends.
    Hang(Vec<TurnEvent>),
    /// Sends these events and then nothing, until [`Behind::go_on`]; then the connection breaks.
    Break(Vec<TurnEvent>),
}

/// Turns, each with the event after which it was gone on with.
type Resumed = Vec<(Uuid, Option<String>)>;

#[derive(Clone)]
pub(crate) struct Behind {
    auth: InternalAuth,
    script: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<(Uuid, String, ChatIn)>>>,
    /// Turns that were resumed, after which event; and turns that were cancelled.
    pub(crate) resumed: Arc<Mutex<Resumed>>,
    pub(crate) cancelled: Arc<Mutex<Vec<Uuid>>>,
    messages: Arc<Mutex<Vec<(Uuid, MessageOut)>>>,
    pub(crate) keys: Arc<Mutex<JwkSet>>,
    pub(crate) go_on: Arc<Notify>,
}

impl FromRef<Behind> for InternalAuth {
    fn from_ref(behind: &Behind) -> Self {
        behind.auth.clone()
    }
}

impl Behind {
    pub(crate) fn new(workload: Workload, keys: JwkSet) -> Self {
        Self {
            auth: InternalAuth::new(KEY, workload),
            script: Arc::default(),
            seen: Arc::default(),
            resumed: Arc::default(),
            cancelled: Arc::default(),
            messages: Arc::default(),
            keys: Arc::new(Mutex::new(keys)),
            go_on: Arc::default(),
        }
    }

    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().extend(acts);
    }

    /// User, idempotency key and body of each turn that was asked for.
    pub(crate) fn seen(&self) -> Vec<(Uuid, String, ChatIn)> {
        self.seen.lock().unwrap().clone()
    }

    /// Keeps a message of a user.
    pub(crate) fn store(&self, user: Uuid, message: MessageOut) {
        self.messages.lock().unwrap().push((user, message));
    }

    /// Forgets every message.
    pub(crate) fn forget(&self) {
        self.messages.lock().unwrap().clear();
    }

    pub(crate) async fn serve(self) -> String {
        let router = Router::new()
            .route(chat::TURNS, post(turn))
            .route(chat::EVENTS, get(resume))
            .route(chat::CANCEL, post(cancel))
            .route(user::JWKS, get(jwks))
            .route(user::LOGIN, post(login))
            .route(storage::MESSAGE, get(message_at))
            .route(storage::MESSAGES, get(echo_query).delete(echo_query))
            .with_state(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        base
    }
}

async fn jwks(State(behind): State<Behind>, _: Peer) -> axum::Json<JwkSet> {
    axum::Json(behind.keys.lock().unwrap().clone())
}

async fn login(_: Peer) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidCredentials,
        "e-mail address or password is wrong",
    )
}

async fn echo_query(_: Caller, request: axum::extract::Request) -> ApiError {
    let path = request.uri().path_and_query().unwrap().to_string();
    ApiError::new(ErrorCode::NotFound, path)
}

async fn message_at(
    State(behind): State<Behind>,
    caller: Caller,
    Path(conversation): Path<Uuid>,
    Query(at): Query<MessageAtIn>,
) -> Result<axum::Json<MessageOut>, ApiError> {
    let messages = behind.messages.lock().unwrap();
    let found = messages.iter().find(|(user, message)| {
        *user == caller.user && message.conversation_id == conversation && message.seq == at.seq
    });
    found
        .map(|(_, message)| axum::Json(message.clone()))
        .ok_or_else(|| ApiError::not_found("this message"))
}

async fn turn(
    State(behind): State<Behind>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<ChatIn>,
) -> Result<Response, ApiError> {
    behind
        .seen
        .lock()
        .unwrap()
        .push((caller.user, key.as_str().to_owned(), request));
    act(behind)
}

async fn resume(
    State(behind): State<Behind>,
    _: Caller,
    Path(turn): Path<Uuid>,
    LastEventId(after): LastEventId,
) -> Result<Response, ApiError> {
    let after = after.map(|id| id.to_string());
    behind.resumed.lock().unwrap().push((turn, after));
    act(behind)
}

async fn cancel(State(behind): State<Behind>, _: Caller, Path(turn): Path<Uuid>) -> StatusCode {
    behind.cancelled.lock().unwrap().push(turn);
    StatusCode::NO_CONTENT
}

fn act(behind: Behind) -> Result<Response, ApiError> {
    let act = behind.script.lock().unwrap().pop_front().unwrap();
    let (said, waits, breaks) = match act {
        Act::Refuse(code) => return Err(ApiError::new(code, "no")),
        Act::Say(events) => (events, false, false),
        Act::Hang(events) => (events, true, false),
        Act::Break(events) => (events, true, true),
    };
    let whole = said
        .last()
        .is_some_and(|last| matches!(last, TurnEvent::Done { .. } | TurnEvent::Error { .. }));
    let lines: Vec<_> = said.iter().enumerate().map(line).collect();
    let body = stream::iter(lines)
        .map(Ok::<_, Infallible>)
        .chain(stream::once(async move {
            if waits {
                behind.go_on.notified().await;
            }
            Ok(Bytes::new())
        }));
    // A body of unknown length that ends early is a broken connection only with an error at its end.
    let body = body
        .map(|piece| piece.map_err(std::io::Error::other))
        .chain(stream::iter(
            (breaks || !whole && !waits).then(|| Err(std::io::Error::other("broken"))),
        ));
    Ok((
        [("content-type", "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response())
}

fn line((index, event): (usize, &TurnEvent)) -> Bytes {
    format!(
        "id: 1-{}\nevent: {}\ndata: {}\n\n",
        index + 1,
        event.name(),
        serde_json::to_string(event).unwrap()
    )
    .into()
}

pub(crate) fn accepted() -> TurnEvent {
    TurnEvent::Accepted {
        message: message(1, Role::User, "hello"),
    }
}

pub(crate) fn delta(content: &str) -> TurnEvent {
    TurnEvent::Delta {
        content: content.to_owned(),
    }
}

pub(crate) fn done(content: &str) -> TurnEvent {
    let turn = TurnOut {
        message: message(1, Role::User, "hello"),
        answer: message(2, Role::Assistant, content),
        finish_reason: "stop".to_owned(),
        usage: None,
    };
    TurnEvent::Done {
        turn: Box::new(turn),
    }
}

pub(crate) fn failed(code: ErrorCode) -> TurnEvent {
    TurnEvent::Error {
        error: ApiError::new(code, "it failed").detail(),
    }
}

fn message(seq: u64, role: Role, content: &str) -> MessageOut {
    MessageOut {
        id: Uuid::nil(),
        conversation_id: Uuid::nil(),
        turn_id: Uuid::nil(),
        seq,
        role,
        content: content.to_owned(),
        model: None,
        created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}
