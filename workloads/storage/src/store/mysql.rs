//! The store on MySQL.
//!
//! Locks are taken in one order, so that no two units wait for each other: the idempotency row,
//! then the conversation, then the turn. The conversation's lock gives `seq`, and what is read
//! under it is current, because sessions run at READ COMMITTED.

mod delete;
mod deliveries;
mod outbox;
mod rows;
mod source;
mod turns;
mod webhooks;

use chatbot_runtime::mysql::{Abort, Database, Done};
use uuid::Uuid;

use super::{Answered, Begun, ConversationRow, Error, MessageRow, NewAnswer, NewTurn, Store};
use crate::crypto::WrappedKey;
use crate::cursor::ConversationCursor;

pub use outbox::Events;

/// The store on MySQL.
#[derive(Clone)]
pub struct MysqlStore {
    database: Database,
    events: Events,
}

/// How a unit of work ends.
type Unit<T> = Result<Done<T>, Abort<Error>>;

/// What a read gives.
type Read<T> = Result<T, Abort<Error>>;

impl MysqlStore {
    /// Makes the store of a schema whose migrations are applied.
    #[must_use]
    pub const fn new(database: Database, events: Events) -> Self {
        Self { database, events }
    }
}

impl Store for MysqlStore {
    async fn data_key_or(
        &self,
        user: Uuid,
        candidate: &WrappedKey,
        now: i64,
    ) -> Result<WrappedKey, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                // The row that is there wins: another replica may have made it at the same time.
                sqlx::query(
                    "INSERT INTO user_keys (user_id, ring_key_id, wrapped_key, created_at) VALUES (?, ?, ?, ?) \
                     ON DUPLICATE KEY UPDATE user_id = user_id",
                )
                .bind(user)
                .bind(&candidate.ring_key_id)
                .bind(&candidate.wrapped)
                .bind(now)
                .execute(&mut *tx)
                .await?;
                let key = rows::data_key(&mut tx, user).await?;
                Ok(tx.done(key))
            })
            .await?
            .ok_or(Error::NotFound)
    }

    async fn data_key(&self, user: Uuid) -> Result<Option<WrappedKey>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let key = rows::data_key(&mut mysql, user).await?;
                Ok(key)
            })
            .await
    }

    async fn begin(&self, turn: &NewTurn) -> Result<Begun, Error> {
        self.database
            .transaction(|tx| turns::begin(tx, turn, self.events))
            .await
    }

    async fn conversation_of_turn(&self, user: Uuid, turn: Uuid) -> Result<Uuid, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let conversation = rows::conversation_of_turn(&mut mysql, user, turn).await?;
                Ok(conversation)
            })
            .await?
            .ok_or(Error::NotFound)
    }

    async fn turn(&self, user: Uuid, turn: Uuid) -> Result<Option<Answered>, Error> {
        self.database
            .read(async |mut mysql| turns::read(&mut mysql, user, turn).await)
            .await
    }

    async fn answer(&self, answer: &NewAnswer) -> Result<Answered, Error> {
        self.database
            .transaction(|tx| turns::answer(tx, answer, self.events))
            .await
    }

    async fn conversations(
        &self,
        user: Uuid,
        after: Option<ConversationCursor>,
        limit: u32,
    ) -> Result<Vec<ConversationRow>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let found = rows::conversations(&mut mysql, user, after, limit).await?;
                Ok(found)
            })
            .await
    }

    async fn conversation(&self, user: Uuid, id: Uuid) -> Result<ConversationRow, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let found = rows::conversation(&mut mysql, user, id).await?;
                Ok(found)
            })
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
        self.database
            .read(async |mut mysql| -> Read<_> {
                if rows::conversation(&mut mysql, user, conversation)
                    .await?
                    .is_none()
                {
                    return Err(Abort::Refused(Error::NotFound));
                }
                let found = rows::messages_after(&mut mysql, conversation, after, limit).await?;
                Ok(found)
            })
            .await
    }

    async fn delete(&self, user: Uuid, conversation: Uuid, now: i64) -> Result<(), Error> {
        delete::delete(&self.database, self.events, user, conversation, now).await
    }

    async fn sweep(&self) -> Result<usize, Error> {
        delete::sweep(&self.database).await
    }
}
