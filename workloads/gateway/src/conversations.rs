//! Conversations and messages: passed on to the storage workload.

use axum::Json as Body;
use axum::extract::State;
use axum::http::StatusCode;
use chatbot_api::conversations::{ConversationOut, MessageOut, Page, PageIn};
use chatbot_api::error::ErrorOut;
use chatbot_api::internal::storage;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{Path, Query};
use uuid::Uuid;

use crate::Callees;
use crate::tokens::SignedIn;

/// A page of the user's conversations, the one with the newest message first.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "conversations", params(PageIn),
    responses(
        (status = 200, body = Page<ConversationOut>),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn list(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Query(page): Query<PageIn>,
) -> Result<Body<Page<ConversationOut>>, ApiError> {
    let call = callees
        .storage
        .get(storage::CONVERSATIONS, &[])
        .query(&page);
    call.on_behalf_of(&caller).receive().await.map(Body)
}

/// A conversation.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    params(("conversation_id" = Uuid, Path)),
    responses(
        (status = 200, body = ConversationOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn read(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(conversation): Path<Uuid>,
) -> Result<Body<ConversationOut>, ApiError> {
    let call = callees.storage.get(storage::CONVERSATION, &[conversation]);
    call.on_behalf_of(&caller).receive().await.map(Body)
}

/// Deletes a conversation with its messages.
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    params(("conversation_id" = Uuid, Path)),
    responses((status = 204), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn delete(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(conversation): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    callees
        .storage
        .delete(storage::CONVERSATION, &[conversation])
        .on_behalf_of(&caller)
        .send()
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of a conversation's messages, in order.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation_id}/messages", tag = "conversations",
    params(("conversation_id" = Uuid, Path), PageIn),
    responses(
        (status = 200, body = Page<MessageOut>),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn messages(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(conversation): Path<Uuid>,
    Query(page): Query<PageIn>,
) -> Result<Body<Page<MessageOut>>, ApiError> {
    let call = callees
        .storage
        .get(storage::MESSAGES, &[conversation])
        .query(&page);
    call.on_behalf_of(&caller).receive().await.map(Body)
}
