//! Reading rows.

use chatbot_api::conversations::Role;
use chatbot_api::turns::Usage;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{FromRow, Row as _};
use uuid::Uuid;

use crate::crypto::WrappedKey;
use crate::cursor::ConversationCursor;
use crate::store::{AnswerRow, ConversationRow, MessageRow};

pub(super) const fn role_number(role: Role) -> u8 {
    match role {
        Role::User => 1,
        Role::Assistant => 2,
    }
}

impl<'r> FromRow<'r, MySqlRow> for MessageRow {
    fn from_row(row: &'r MySqlRow) -> Result<Self, sqlx::Error> {
        let role = match row.try_get::<u8, _>("role")? {
            1 => Role::User,
            2 => Role::Assistant,
            other => return Err(sqlx::Error::Decode(format!("{other} is no role").into())),
        };
        Ok(Self {
            id: row.try_get("id")?,
            conversation_id: row.try_get("conversation_id")?,
            turn_id: row.try_get("turn_id")?,
            seq: row.try_get("seq")?,
            role,
            content: row.try_get("content")?,
            model: row.try_get("model")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl<'r> FromRow<'r, MySqlRow> for ConversationRow {
    fn from_row(row: &'r MySqlRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            title: row.try_get("title")?,
            last_seq: row.try_get("last_seq")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// A turn as it is stored.
pub(super) struct TurnRow {
    pub(super) attempt: u32,
    pub(super) answered: bool,
    finish_reason: Option<String>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl TurnRow {
    pub(super) fn answer(self, message: MessageRow) -> AnswerRow {
        let tokens = self.prompt_tokens.zip(self.completion_tokens);
        AnswerRow {
            message,
            finish_reason: self.finish_reason.unwrap_or_default(),
            usage: tokens.map(|(prompt_tokens, completion_tokens)| Usage {
                prompt_tokens,
                completion_tokens,
            }),
        }
    }
}

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
    let row = sqlx::query(
        "SELECT attempt, answered_at, finish_reason, prompt_tokens, completion_tokens \
         FROM turns WHERE id = ? FOR UPDATE",
    )
    .bind(turn)
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(turn_row).transpose()
}

/// Reads a turn.
pub(super) async fn turn(
    tx: &mut MySqlConnection,
    turn: Uuid,
) -> Result<Option<TurnRow>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT attempt, answered_at, finish_reason, prompt_tokens, completion_tokens \
         FROM turns WHERE id = ?",
    )
    .bind(turn)
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(turn_row).transpose()
}

fn turn_row(row: &MySqlRow) -> Result<TurnRow, sqlx::Error> {
    Ok(TurnRow {
        attempt: row.try_get("attempt")?,
        answered: row.try_get::<Option<i64>, _>("answered_at")?.is_some(),
        finish_reason: row.try_get("finish_reason")?,
        prompt_tokens: row.try_get("prompt_tokens")?,
        completion_tokens: row.try_get("completion_tokens")?,
    })
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
