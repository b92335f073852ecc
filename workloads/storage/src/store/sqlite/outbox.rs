//! The outbox in SQLite: one process has the file, so its relay owns every bucket for ever.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::SqliteStore;
use super::rows::signed;
use crate::store::Error;
use crate::store::event::NewEvent;
use crate::store::outbox::{BUCKETS, Backlog, Outbox, OutboxRow, bucket};

/// Adds an event.
pub(super) async fn write(tx: &mut SqliteConnection, event: NewEvent) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO outbox (id, bucket, conversation_id, event, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(event.id)
    .bind(bucket(event.conversation_id))
    .bind(event.conversation_id)
    .bind(event.text)
    .bind(event.created_at)
    .execute(tx)
    .await?;
    Ok(())
}

impl Outbox for SqliteStore {
    async fn lease(&self, _relay: Uuid) -> Result<Vec<u16>, Error> {
        Ok((0..BUCKETS).collect())
    }

    async fn release(&self, _relay: Uuid) -> Result<(), Error> {
        Ok(())
    }

    async fn waiting(&self, buckets: &[u16], limit: u32) -> Result<Vec<OutboxRow>, Error> {
        let mut tx = self.database.read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT position, conversation_id, event FROM outbox WHERE bucket IN (",
        );
        let mut list = query.separated(", ");
        for bucket in buckets {
            list.push_bind(bucket);
        }
        query.push(") ORDER BY position LIMIT ").push_bind(limit);
        Ok(query.build_query_as().fetch_all(&mut *tx).await?)
    }

    async fn told(&self, positions: &[u64]) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut tx = self.database.write().await?;
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM outbox WHERE position IN (");
        let mut list = query.separated(", ");
        for position in positions {
            list.push_bind(signed(*position));
        }
        // Its text depends on the number of rows: keeping each would push out the others.
        let delete = query.push(")").build().persistent(false);
        delete.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        let mut tx = self.database.read().await?;
        let (rows, oldest) = sqlx::query_as("SELECT COUNT(*), MIN(created_at) FROM outbox")
            .fetch_one(&mut *tx)
            .await?;
        Ok(Backlog { rows, oldest })
    }
}
