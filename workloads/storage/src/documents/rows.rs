//! Transcripts as the relational databases give them.

use chatbot_api::conversations::Role;
use chatbot_api::turns::Usage;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use super::Transcript;
use crate::store::MessageRow;

impl<'r, R: Row> FromRow<'r, R> for Transcript
where
    &'static str: ColumnIndex<R>,
    MessageRow: FromRow<'r, R>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    u64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let message = MessageRow::from_row(row)?;
        let prompt_tokens: Option<u64> = row.try_get("prompt_tokens")?;
        let completion_tokens: Option<u64> = row.try_get("completion_tokens")?;
        // They are the turn's, of which the answer is the half that they came with.
        let tokens = prompt_tokens
            .zip(completion_tokens)
            .filter(|_| message.role == Role::Assistant);
        Ok(Self {
            user_id: row.try_get("user_id")?,
            usage: tokens.map(|(prompt_tokens, completion_tokens)| Usage {
                prompt_tokens,
                completion_tokens,
            }),
            message,
        })
    }
}
