//! Rows as both databases give them.

use chatbot_api::conversations::Role;
use chatbot_api::turns::Usage;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use super::{AnswerRow, MessageRow};

/// A role as it is stored.
pub(crate) const fn role_number(role: Role) -> u8 {
    match role {
        Role::User => 1,
        Role::Assistant => 2,
    }
}

impl<'r, R: Row> FromRow<'r, R> for MessageRow
where
    &'static str: ColumnIndex<R>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    u8: Decode<'r, R::Database> + Type<R::Database>,
    u64: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
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

/// A turn as it is stored.
#[derive(FromRow)]
pub(super) struct TurnRow {
    pub(super) attempt: u32,
    answered_at: Option<i64>,
    finish_reason: Option<String>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl TurnRow {
    /// Whether it has its answer.
    pub(super) const fn answered(&self) -> bool {
        self.answered_at.is_some()
    }

    /// Its answer, whose message this is.
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
