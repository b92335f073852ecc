//! The outbox in MySQL.

mod leases;

use chatbot_contract::events::{Event, Kind, VERSION};
use chatbot_runtime::mysql::Tx;
use jiff::Timestamp;
use sqlx::{MySql, QueryBuilder};
use uuid::Uuid;

use super::{MysqlStore, Unit};
use crate::store::outbox::{BUCKETS, Backlog, Outbox, OutboxRow, bucket};
use crate::store::{Error, MessageRow, NewAnswer};

/// Whether events are written: a table that nobody reads would grow without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// A relay reads them.
    Written,
    /// Nobody does.
    Left,
}

impl Events {
    /// The user's message was stored.
    pub(super) async fn message(
        self,
        tx: &mut Tx,
        user: Uuid,
        message: &MessageRow,
    ) -> Result<(), sqlx::Error> {
        let kind = Kind::MessageCreated {
            message_id: message.id,
            turn_id: message.turn_id,
        };
        let place = (message.conversation_id, message.seq);
        self.write(tx, user, place, message.created_at, kind).await
    }

    /// The answer was stored.
    pub(super) async fn answer(
        self,
        tx: &mut Tx,
        answer: &NewAnswer,
        message: &MessageRow,
    ) -> Result<(), sqlx::Error> {
        let kind = Kind::AnswerCreated {
            message_id: message.id,
            turn_id: message.turn_id,
            model: answer.model.clone(),
            prompt_tokens: answer.usage.map(|usage| usage.prompt_tokens),
            completion_tokens: answer.usage.map(|usage| usage.completion_tokens),
        };
        let place = (message.conversation_id, message.seq);
        self.write(tx, answer.user_id, place, message.created_at, kind)
            .await
    }

    /// The conversation, whose last message is at `last_seq`, was deleted.
    pub(super) async fn deletion(
        self,
        tx: &mut Tx,
        user: Uuid,
        conversation: Uuid,
        last_seq: u64,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let place = (conversation, last_seq + 1);
        self.write(tx, user, place, now, Kind::ConversationDeleted {})
            .await
    }

    /// The lock of the conversation must be held: it is what puts its events in order.
    async fn write(
        self,
        tx: &mut Tx,
        user_id: Uuid,
        (conversation_id, seq): (Uuid, u64),
        now: i64,
        kind: Kind,
    ) -> Result<(), sqlx::Error> {
        if self == Self::Left {
            return Ok(());
        }
        // Nobody outside asks for this id, so it is made where the row is.
        let event = Event {
            id: Uuid::now_v7(),
            version: VERSION,
            time: Timestamp::from_millisecond(now)
                .map_err(|error| sqlx::Error::Encode(Box::new(error)))?,
            user_id,
            conversation_id,
            seq,
            kind,
        };
        let text = serde_json::to_vec(&event).expect("an event can be written as JSON");
        sqlx::query(
            "INSERT INTO outbox (id, bucket, conversation_id, event, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(event.id)
        .bind(bucket(conversation_id))
        .bind(conversation_id)
        .bind(text)
        .bind(now)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

impl Outbox for MysqlStore {
    async fn lease(&self, relay: Uuid) -> Result<Vec<u16>, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let share = leases::share(&mut tx, relay).await?;
                let mut owned = leases::renew(&mut tx, relay).await?;
                while owned.len() > share {
                    if let Some(surplus) = owned.pop() {
                        leases::give_away(&mut tx, relay, surplus).await?;
                    }
                }
                for bucket in 0..BUCKETS {
                    if owned.len() >= share {
                        break;
                    }
                    if !owned.contains(&bucket) && leases::take(&mut tx, relay, bucket).await? {
                        owned.push(bucket);
                    }
                }
                Ok(tx.done(owned))
            })
            .await
    }

    async fn release(&self, relay: Uuid) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                for statement in [
                    "DELETE FROM outbox_relays WHERE relay = ?",
                    "DELETE FROM outbox_leases WHERE relay = ?",
                ] {
                    sqlx::query(statement).bind(relay).execute(&mut *tx).await?;
                }
                Ok(tx.done(()))
            })
            .await
    }

    async fn waiting(&self, buckets: &[u16], limit: u32) -> Result<Vec<OutboxRow>, Error> {
        if buckets.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(u64, Uuid, Vec<u8>)> = self
            .database
            .transaction(async |mut tx| -> Unit<_> {
                let mut query = QueryBuilder::<MySql>::new(
                    "SELECT position, conversation_id, event FROM outbox WHERE bucket IN (",
                );
                let mut list = query.separated(", ");
                for bucket in buckets {
                    list.push_bind(bucket);
                }
                query.push(") ORDER BY position LIMIT ").push_bind(limit);
                let rows = query.build_query_as().fetch_all(&mut *tx).await?;
                Ok(tx.done(rows))
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|(position, conversation_id, event)| OutboxRow {
                position,
                conversation_id,
                event,
            })
            .collect())
    }

    async fn told(&self, positions: &[u64]) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let mut query =
                    QueryBuilder::<MySql>::new("DELETE FROM outbox WHERE position IN (");
                let mut list = query.separated(", ");
                for position in positions {
                    list.push_bind(position);
                }
                // Its text depends on the number of rows: keeping each would push out the others.
                let delete = query.push(")").build().persistent(false);
                delete.execute(&mut *tx).await?;
                Ok(tx.done(()))
            })
            .await
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox")
                    .fetch_one(&mut *tx)
                    .await?;
                let oldest =
                    sqlx::query_scalar("SELECT created_at FROM outbox ORDER BY position LIMIT 1")
                        .fetch_optional(&mut *tx)
                        .await?;
                Ok(tx.done(Backlog {
                    rows: rows.unsigned_abs(),
                    oldest,
                }))
            })
            .await
    }
}
