//! The interface for the other workloads: [`chatbot_api::internal::storage`].

mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use chatbot_api::conversations::{ConversationOut, MessageOut, Page, PageIn};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::{
    AnswerIn, BeginTurnIn, BeginTurnOut, MessageAtIn, TurnStateOut, storage,
};
use chatbot_api::turns::TurnOut;
use chatbot_runtime::auth::{Caller, InternalAuth};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json, Path, Query};
use uuid::Uuid;

use crate::service::{Conversations, Error};
use crate::store::deliveries::DeliveryStore;
use crate::store::{self, Store};
use crate::webhooks::Webhooks;
use crate::webhooks::address::Rules;

/// Largest body with an answer, in bytes: models write more than users may.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// What handlers use.
pub struct AppState<S> {
    /// The conversations.
    pub conversations: Arc<Conversations<S>>,
    /// The webhooks.
    pub webhooks: Arc<Webhooks<S>>,
    /// Checks calls.
    pub auth: InternalAuth,
}

impl<S: Store + DeliveryStore + Clone> AppState<S> {
    /// Makes it, with webhooks in the store of the conversations; `told` says whether there is a log of events.
    pub fn new(
        conversations: Arc<Conversations<S>>,
        rules: Rules,
        told: bool,
        auth: InternalAuth,
    ) -> Self {
        let webhooks = Webhooks::new(conversations.as_ref(), rules, told);
        Self {
            conversations,
            webhooks: Arc::new(webhooks),
            auth,
        }
    }
}

impl<S> Clone for AppState<S> {
    fn clone(&self) -> Self {
        Self {
            conversations: Arc::clone(&self.conversations),
            webhooks: Arc::clone(&self.webhooks),
            auth: self.auth.clone(),
        }
    }
}

impl<S> FromRef<AppState<S>> for InternalAuth {
    fn from_ref(state: &AppState<S>) -> Self {
        state.auth.clone()
    }
}

impl<S> FromRef<AppState<S>> for Arc<Conversations<S>> {
    fn from_ref(state: &AppState<S>) -> Self {
        Arc::clone(&state.conversations)
    }
}

impl<S> FromRef<AppState<S>> for Arc<Webhooks<S>> {
    fn from_ref(state: &AppState<S>) -> Self {
        Arc::clone(&state.webhooks)
    }
}

type All<S> = State<Arc<Conversations<S>>>;

/// All routes of the workload.
pub fn router<S: Store + DeliveryStore>(state: AppState<S>) -> Router {
    Router::new()
        .route(storage::TURNS, post(begin::<S>))
        .route(storage::TURN, get(turn::<S>))
        .route(
            storage::ANSWER,
            put(answer::<S>).layer(DefaultBodyLimit::max(ANSWER_LIMIT)),
        )
        .route(storage::CONVERSATIONS, get(list::<S>))
        .route(
            storage::CONVERSATION,
            get(conversation::<S>).delete(delete::<S>),
        )
        .route(storage::MESSAGES, get(messages::<S>))
        .route(storage::MESSAGE, get(message::<S>))
        .merge(webhooks::routes())
        .with_state(state)
}

async fn begin<S: Store>(
    State(all): All<S>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<BeginTurnIn>,
) -> Result<axum::Json<BeginTurnOut>, ApiError> {
    Ok(axum::Json(all.begin(caller.user, &key, request).await?))
}

async fn turn<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Path(turn_id): Path<Uuid>,
) -> Result<axum::Json<TurnStateOut>, ApiError> {
    match all.turn(caller.user, turn_id).await {
        Ok(turn) => Ok(axum::Json(turn)),
        Err(Error::Store(store::Error::NotFound)) => Err(ApiError::not_found("this turn")),
        Err(error) => Err(error.into()),
    }
}

async fn answer<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Path(turn_id): Path<Uuid>,
    Json(request): Json<AnswerIn>,
) -> Result<axum::Json<TurnOut>, ApiError> {
    Ok(axum::Json(all.answer(caller.user, turn_id, request).await?))
}

async fn list<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Query(page): Query<PageIn>,
) -> Result<axum::Json<Page<ConversationOut>>, ApiError> {
    Ok(axum::Json(
        all.list(caller.user, page.cursor.as_deref(), page.limit)
            .await?,
    ))
}

async fn conversation<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<ConversationOut>, ApiError> {
    Ok(axum::Json(all.get(caller.user, id).await?))
}

async fn messages<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(page): Query<PageIn>,
) -> Result<axum::Json<Page<MessageOut>>, ApiError> {
    Ok(axum::Json(
        all.messages(caller.user, id, page.cursor.as_deref(), page.limit)
            .await?,
    ))
}

async fn message<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(at): Query<MessageAtIn>,
) -> Result<axum::Json<MessageOut>, ApiError> {
    Ok(axum::Json(all.message(caller.user, id, at.seq).await?))
}

async fn delete<S: Store>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    all.delete(caller.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { field, problem } => Self::invalid(field, problem),
            Error::TooLarge(_) => Self::new(ErrorCode::TooLarge, error.to_string()).param("message"),
            Error::Store(store::Error::NotFound) => Self::not_found("this conversation"),
            Error::Store(store::Error::KeyReused) => Self::new(
                ErrorCode::IdempotencyKeyReused,
                "this idempotency key was used for another request; use a new key for a new message",
            )
            .param(chatbot_api::IDEMPOTENCY_KEY),
            Error::Store(store::Error::Superseded) => {
                Self::new(ErrorCode::Superseded, "a newer attempt with the same key answers this message")
            }
            Error::Store(store::Error::NoSuchAttempt) => Self::invalid("attempt", "this attempt was never begun"),
            Error::Store(store::Error::Mysql(error)) => error.into(),
            Error::Store(store::Error::Sqlite(error)) => error.into(),
            Error::Crypto(_) | Error::Time(_) => Self::internal(&error),
        }
    }
}
