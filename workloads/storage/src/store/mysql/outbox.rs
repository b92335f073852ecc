//! The outbox in MySQL.

mod leases;

use chatbot_runtime::mysql::Tx;
use sqlx::{MySql, QueryBuilder};
use uuid::Uuid;

use super::{MysqlStore, Read, Unit};
use crate::store::Error;
use crate::store::event::NewEvent;
use crate::store::outbox::{BUCKETS, Backlog, Outbox, OutboxRow, bucket};

/// Whether events are written: a table that nobody reads would grow without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// A relay reads them.
    Written,
    /// Nobody does.
    Left,
}

impl Events {
    /// Adds an event. The lock of the conversation must be held: it is what puts its events in order.
    pub(super) async fn write(self, tx: &mut Tx, event: NewEvent) -> Result<(), sqlx::Error> {
        if self == Self::Left {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO outbox (id, bucket, conversation_id, event, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(event.id)
        .bind(bucket(event.conversation_id))
        .bind(event.conversation_id)
        .bind(event.text)
        .bind(event.created_at)
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
        self.database
            .read(async |mut mysql| -> Read<_> {
                let mut query = QueryBuilder::<MySql>::new(
                    "SELECT position, conversation_id, event FROM outbox WHERE bucket IN (",
                );
                let mut list = query.separated(", ");
                for bucket in buckets {
                    list.push_bind(bucket);
                }
                query.push(") ORDER BY position LIMIT ").push_bind(limit);
                let rows = query.build_query_as().fetch_all(&mut *mysql).await?;
                Ok(rows)
            })
            .await
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
            .read(async |mut mysql| -> Read<_> {
                let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox")
                    .fetch_one(&mut *mysql)
                    .await?;
                let oldest =
                    sqlx::query_scalar("SELECT created_at FROM outbox ORDER BY position LIMIT 1")
                        .fetch_optional(&mut *mysql)
                        .await?;
                Ok(Backlog {
                    rows: rows.unsigned_abs(),
                    oldest,
                })
            })
            .await
    }
}
