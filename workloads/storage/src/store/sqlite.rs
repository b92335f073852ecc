//! The store on SQLite.
//!
//! What changes something runs alone ([`Database::write`]), so it needs no locks of rows and no order
//! of them: what it has read is still so when it commits. That gives `seq`, too, and the order of
//! events.

mod deliveries;
mod outbox;
mod rows;
mod source;
mod turns;
mod webhooks;

use chatbot_runtime::sqlite::Database;
use uuid::Uuid;

use super::event::NewEvent;
use super::{Answered, Begun, ConversationRow, Error, MessageRow, NewAnswer, NewTurn, Store};
use crate::crypto::WrappedKey;
use crate::cursor::ConversationCursor;

/// The store on SQLite.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Makes the store of a file that has the schema [`crate::SQLITE`].
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Only this adapter meets bare errors of sqlx: the other one's are sorted by the unit of work around them.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

impl Store for SqliteStore {
    async fn data_key_or(
        &self,
        user: Uuid,
        candidate: &WrappedKey,
        now: i64,
    ) -> Result<WrappedKey, Error> {
        let mut tx = self.database.write().await?;
        sqlx::query(
            "INSERT INTO user_keys (user_id, ring_key_id, wrapped_key, created_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(user)
        .bind(&candidate.ring_key_id)
        .bind(&candidate.wrapped)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let key = rows::data_key(&mut tx, user).await?;
        tx.commit().await?;
        key.ok_or(Error::NotFound)
    }

    async fn data_key(&self, user: Uuid) -> Result<Option<WrappedKey>, Error> {
        let mut tx = self.database.read().await?;
        Ok(rows::data_key(&mut tx, user).await?)
    }

    async fn begin(&self, turn: &NewTurn) -> Result<Begun, Error> {
        let mut tx = self.database.write().await?;
        let begun = turns::begin(&mut tx, turn).await?;
        tx.commit().await?;
        Ok(begun)
    }

    async fn conversation_of_turn(&self, user: Uuid, turn: Uuid) -> Result<Uuid, Error> {
        let mut tx = self.database.read().await?;
        rows::conversation_of_turn(&mut tx, user, turn)
            .await?
            .ok_or(Error::NotFound)
    }

    async fn turn(&self, user: Uuid, turn: Uuid) -> Result<Option<Answered>, Error> {
        let mut tx = self.database.read().await?;
        turns::read(&mut tx, user, turn).await
    }

    async fn answer(&self, answer: &NewAnswer) -> Result<Answered, Error> {
        let mut tx = self.database.write().await?;
        let answered = turns::answer(&mut tx, answer).await?;
        tx.commit().await?;
        Ok(answered)
    }

    async fn conversations(
        &self,
        user: Uuid,
        after: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<ConversationRow>, Error> {
        let mut tx = self.database.read().await?;
        Ok(rows::conversations(&mut tx, user, after, limit).await?)
    }

    async fn conversation(&self, user: Uuid, id: Uuid) -> Result<ConversationRow, Error> {
        let mut tx = self.database.read().await?;
        rows::conversation(&mut tx, user, id)
            .await?
            .ok_or(Error::NotFound)
    }

    async fn messages(
        &self,
        user: Uuid,
        conversation: Uuid,
        after: u64,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Error> {
        let mut tx = self.database.read().await?;
        rows::conversation(&mut tx, user, conversation)
            .await?
            .ok_or(Error::NotFound)?;
        Ok(rows::messages_after(&mut tx, conversation, after, limit).await?)
    }

    /// One transaction, whatever the size: its messages and turns go with the conversation.
    async fn delete(&self, user: Uuid, conversation: Uuid, now: i64) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        let last_seq: u64 = sqlx::query_scalar(
            "DELETE FROM conversations WHERE id = ? AND user_id = ? RETURNING last_seq",
        )
        .bind(conversation)
        .bind(user)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        let event = NewEvent::deletion(user, conversation, last_seq, now)?;
        outbox::write(&mut tx, event).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A deletion that was cut off has left everything or nothing.
    async fn sweep(&self) -> Result<usize, Error> {
        Ok(0)
    }
}
