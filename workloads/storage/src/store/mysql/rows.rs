//! Reading and locking rows.

use chatbot_api::conversations::Role;
use sqlx::mysql::MySqlConnection;
use uuid::Uuid;

use crate::crypto::WrappedKey;
use crate::cursor::ConversationCursor;
use crate::store::rows::{TurnRow, role_number};
use crate::store::{ConversationRow, MessageRow};

pub(super) async fn data_key(
    tx: &mut MySqlConnection,
    user: Uuid,
) -> Result<Option<WrappedKey>, sqlx::Error> {
    let row: Option<(String, Vec<u8>)> =
        sqlx::query_as("SELECT ring_key_id, wrapped_key FROM user_keys WHERE user_id = ?")
            .bind(user)
            .fetch_optional(tx)
            .await?;
    Ok(row.map(|(ring_key_id, wrapped)| WrappedKey {
        ring_key_id,
        wrapped,
    }))
}

pub(super) async fn conversation_of_turn(
    tx: &mut MySqlConnection,
    user: Uuid,
    turn: Uuid,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar("SELECT conversation_id FROM turns WHERE id = ? AND user_id = ?")
        .bind(turn)
        .bind(user)
        .fetch_optional(tx)
        .await
}

/// Reads a turn and locks it; the conversation's lock must be held.
pub(super) async fn lock_turn(
    tx: &mut MySqlConnection,
    turn: Uuid,
) -> Result<Option<TurnRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT attempt, answered_at, finish_reason, prompt_tokens, completion_tokens \
         FROM turns WHERE id = ? FOR UPDATE",
    )
    .bind(turn)
    .fetch_optional(tx)
    .await
}

/// Reads a turn.
pub(super) async fn turn(
    tx: &mut MySqlConnection,
    turn: Uuid,
) -> Result<Option<TurnRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT attempt, answered_at, finish_reason, prompt_tokens, completion_tokens \
         FROM turns WHERE id = ?",
    )
    .bind(turn)
    .fetch_optional(tx)
    .await
}

/// Locks a conversation and gives its `last_seq`.
pub(super) async fn lock_conversation(
    tx: &mut MySqlConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<u64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT last_seq FROM conversations WHERE id = ? AND user_id = ? AND deleted_at IS NULL FOR UPDATE",
    )
    .bind(id)
    .bind(user)
    .fetch_optional(tx)
    .await
}

pub(super) async fn conversation(
    tx: &mut MySqlConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<ConversationRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, title, last_seq, created_at, updated_at FROM conversations \
         WHERE id = ? AND user_id = ? AND deleted_at IS NULL",
    )
    .bind(id)
    .bind(user)
    .fetch_optional(tx)
    .await
}

pub(super) async fn conversations(
    tx: &mut MySqlConnection,
    user: Uuid,
    after: Option<ConversationCursor>,
    limit: u32,
) -> Result<Vec<ConversationRow>, sqlx::Error> {
    // Without a cursor the page begins after the end of time.
    let ConversationCursor { updated_at, id } = after.unwrap_or(ConversationCursor {
        updated_at: i64::MAX,
        id: Uuid::max(),
    });
    sqlx::query_as(
        "SELECT id, title, last_seq, created_at, updated_at FROM conversations \
         WHERE user_id = ? AND deleted_at IS NULL AND (updated_at < ? OR (updated_at = ? AND id < ?)) \
         ORDER BY updated_at DESC, id DESC LIMIT ?",
    )
    .bind(user)
    .bind(updated_at)
    .bind(updated_at)
    .bind(id)
    .bind(limit)
    .fetch_all(tx)
    .await
}

pub(super) async fn messages_after(
    tx: &mut MySqlConnection,
    conversation: Uuid,
    after: u64,
    limit: u32,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, conversation_id, turn_id, seq, role, content, model, created_at FROM messages \
         WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?",
    )
    .bind(conversation)
    .bind(after)
    .bind(limit)
    .fetch_all(tx)
    .await
}

/// The newest messages before `seq`, in order.
pub(super) async fn history(
    tx: &mut MySqlConnection,
    conversation: Uuid,
    seq: u64,
    limit: u32,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    let mut newest_first: Vec<MessageRow> = sqlx::query_as(
        "SELECT id, conversation_id, turn_id, seq, role, content, model, created_at FROM messages \
         WHERE conversation_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
    )
    .bind(conversation)
    .bind(seq)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    newest_first.reverse();
    Ok(newest_first)
}

/// The message of a turn with this role.
pub(super) async fn message_of_turn(
    tx: &mut MySqlConnection,
    turn: Uuid,
    role: Role,
) -> Result<Option<MessageRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, conversation_id, turn_id, seq, role, content, model, created_at FROM messages \
         WHERE turn_id = ? AND role = ?",
    )
    .bind(turn)
    .bind(role_number(role))
    .fetch_optional(tx)
    .await
}
