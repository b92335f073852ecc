//! The public interface in memory, with faults.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chatbot_api::accounts::{RegisterIn, TokensOut, UserOut};
use chatbot_api::conversations::{ConversationOut, MessageOut, Page, Role};
use chatbot_api::error::{ErrorCode, ErrorDetail, ErrorOut};
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use futures::stream;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Every third attempt fails after its effect, before the user learns of it.
    Unlucky,
    /// Every tenth message is acknowledged and not kept.
    Loses,
    /// The idempotency key is passed over, and attempts fail after their effect.
    Doubles,
    /// A deleted conversation stays.
    KeepsDeleted,
}

#[derive(Clone)]
struct App {
    fault: Fault,
    inner: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    turns: HashMap<String, TurnOut>,
    /// By conversation: whose it is, and its messages.
    conversations: HashMap<Uuid, (String, Vec<MessageOut>)>,
    attempts: usize,
}

/// A deployment that serves until it is dropped.
pub(crate) struct Deployment {
    pub(crate) url: url::Url,
    _server: JoinSet<()>,
}

impl Deployment {
    pub(crate) async fn new(fault: Fault) -> Self {
        let app = App {
            fault,
            inner: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/auth/register", post(register))
            .route("/v1/chat", post(chat))
            .route("/v1/conversations", get(conversations))
            .route("/v1/conversations/{id}", axum::routing::delete(delete))
            .route("/v1/conversations/{id}/messages", get(messages))
            .with_state(app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            _server: server,
        }
    }
}

fn user(headers: &HeaderMap) -> String {
    headers["authorization"].to_str().unwrap().to_owned()
}

async fn register(Json(request): Json<RegisterIn>) -> Json<TokensOut> {
    let user = UserOut {
        id: Uuid::now_v7(),
        email: request.email,
        email_verified: false,
        display_name: None,
        created_at: jiff::Timestamp::now(),
    };
    let (access_token, refresh_token) = (user.id.to_string(), String::new());
    Json(TokensOut {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in: 900,
        refresh_token,
        user,
    })
}

fn message(
    conversation_id: Uuid,
    turn_id: Uuid,
    seq: usize,
    role: Role,
    content: String,
) -> MessageOut {
    let (id, created_at) = (Uuid::now_v7(), jiff::Timestamp::now());
    MessageOut {
        id,
        conversation_id,
        turn_id,
        seq: u64::try_from(seq).unwrap(),
        role,
        content,
        model: None,
        created_at,
    }
}

fn away() -> Response {
    let code = ErrorCode::Unavailable;
    let error = ErrorDetail {
        message: "away".to_owned(),
        kind: code.kind().to_owned(),
        code,
        param: None,
        retry_after: None,
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(ErrorOut { error })).into_response()
}

async fn chat(State(app): State<App>, headers: HeaderMap, Json(request): Json<ChatIn>) -> Response {
    let (turn, attempt) = {
        let mut kept = app.inner.lock().unwrap();
        kept.attempts += 1;
        let attempt = kept.attempts;
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let known = kept
            .turns
            .get(&key)
            .filter(|_| app.fault != Fault::Doubles)
            .cloned();
        let turn = known.unwrap_or_else(|| {
            let id = request.conversation_id.unwrap_or_else(Uuid::now_v7);
            let (_, messages) = kept
                .conversations
                .entry(id)
                .or_insert_with(|| (user(&headers), Vec::new()));
            let turn_id = Uuid::now_v7();
            let asked = message(
                id,
                turn_id,
                messages.len() + 1,
                Role::User,
                request.message.clone(),
            );
            let said = format!("You said: {}", request.message);
            let answer = message(id, turn_id, messages.len() + 2, Role::Assistant, said);
            let turn = TurnOut {
                message: asked.clone(),
                answer: answer.clone(),
                finish_reason: "stop".to_owned(),
                usage: None,
            };
            if app.fault != Fault::Loses || attempt % 10 != 0 {
                messages.extend([asked, answer]);
            }
            kept.turns.insert(key, turn.clone());
            turn
        });
        (turn, attempt)
    };
    let unlucky = matches!(app.fault, Fault::Unlucky | Fault::Doubles) && attempt % 3 == 0;
    if !request.stream {
        return if unlucky {
            away()
        } else {
            Json(turn).into_response()
        };
    }
    let mut events = vec![TurnEvent::Accepted {
        message: turn.message.clone(),
    }];
    // An unlucky stream breaks after the message was acknowledged.
    if !unlucky {
        events.push(TurnEvent::Done {
            turn: Box::new(turn),
        });
    }
    let events = events.into_iter().map(|event| {
        Ok::<_, Infallible>(
            Event::default()
                .event(event.name())
                .data(serde_json::to_string(&event).unwrap()),
        )
    });
    Sse::new(stream::iter(events)).into_response()
}

async fn conversations(State(app): State<App>, headers: HeaderMap) -> Json<Page<ConversationOut>> {
    let kept = app.inner.lock().unwrap();
    let now = jiff::Timestamp::now();
    let own = kept
        .conversations
        .iter()
        .filter(|(_, (owner, _))| *owner == user(&headers));
    let data = own
        .map(|(id, _)| ConversationOut {
            id: *id,
            title: String::new(),
            created_at: now,
            updated_at: now,
            last_seq: 0,
        })
        .collect();
    Json(Page {
        data,
        next_cursor: None,
    })
}

async fn messages(State(app): State<App>, Path(id): Path<Uuid>) -> Json<Page<MessageOut>> {
    let kept = app.inner.lock().unwrap();
    Json(Page {
        data: kept.conversations[&id].1.clone(),
        next_cursor: None,
    })
}

async fn delete(State(app): State<App>, Path(id): Path<Uuid>) -> StatusCode {
    if app.fault != Fault::KeepsDeleted {
        app.inner.lock().unwrap().conversations.remove(&id);
    }
    StatusCode::NO_CONTENT
}
