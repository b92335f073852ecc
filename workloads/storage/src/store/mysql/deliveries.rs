//! Messages to webhooks in MySQL. A webhook's row is locked by whoever changes when it is due; messages are written
//! before it.

use std::collections::BTreeSet;

use chatbot_api::webhooks::DisabledReason;
use sqlx::{AssertSqlSafe, MySql, QueryBuilder};
use uuid::Uuid;

use super::{MysqlStore, Read, Unit};
use crate::store::Error;
use crate::store::deliveries::{
    DELIVERY, DeliveryRow, DeliveryStore, Listening, NewDelivery, Round,
};
use crate::store::webhooks::{WEBHOOK, WebhookRow};

/// Rows of one sweep.
const SWEEP: u32 = 1_000;

impl DeliveryStore for MysqlStore {
    async fn listening(&self, users: &BTreeSet<Uuid>) -> Result<Vec<Listening>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.database
            .read(async |mut mysql| -> Read<_> {
                let mut query = QueryBuilder::<MySql>::new(
                    "SELECT id, user_id, events, created_at FROM webhooks WHERE disabled_reason IS NULL AND user_id IN (",
                );
                let mut list = query.separated(", ");
                for user in users {
                    list.push_bind(*user);
                }
                // Its text depends on the number of users: keeping each would push out the others.
                let select = query.push(")").build_query_as().persistent(false);
                let found = select.fetch_all(&mut *mysql).await?;
                Ok(found)
            })
            .await
    }

    async fn add_deliveries(&self, deliveries: &[NewDelivery]) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                for delivery in deliveries {
                    sqlx::query(
                        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, kind, body, created_at, due_at) \
                         VALUES (?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE webhook_id = webhook_id",
                    )
                    .bind(delivery.id)
                    .bind(delivery.webhook_id)
                    .bind(delivery.event_id)
                    .bind(&delivery.kind)
                    .bind(&delivery.body)
                    .bind(delivery.now)
                    .bind(delivery.now)
                    .execute(&mut *tx)
                    .await?;
                }
                // In one order, so that no two units wait for each other.
                let webhooks: BTreeSet<_> =
                    deliveries.iter().map(|new| (new.webhook_id, new.now)).collect();
                for (webhook, now) in webhooks {
                    sqlx::query(
                        "UPDATE webhooks SET wake_at = LEAST(COALESCE(wake_at, ?), ?) \
                         WHERE id = ? AND disabled_reason IS NULL",
                    )
                    .bind(now)
                    .bind(now)
                    .bind(webhook)
                    .execute(&mut *tx)
                    .await?;
                }
                Ok(tx.done(()))
            })
            .await
    }

    async fn made_since(&self, webhook: Uuid, kind: &str, since: i64) -> Result<u32, Error> {
        let made: i64 = self
            .database
            .read(async |mut mysql| -> Read<_> {
                let made = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook_id = ? AND kind = ? AND created_at > ?",
                )
                .bind(webhook)
                .bind(kind)
                .bind(since)
                .fetch_one(&mut *mysql)
                .await?;
                Ok(made)
            })
            .await?;
        Ok(u32::try_from(made).unwrap_or(u32::MAX))
    }

    async fn deliveries(
        &self,
        webhook: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let query = format!(
                    "SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
                );
                let found = sqlx::query_as(AssertSqlSafe(query))
                    .bind(webhook)
                    .bind(before.unwrap_or(Uuid::max()))
                    .bind(limit)
                    .fetch_all(&mut *mysql)
                    .await?;
                Ok(found)
            })
            .await
    }

    async fn claim(&self, now: i64, until: i64, most: u32) -> Result<Vec<WebhookRow>, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let query = format!(
                    "SELECT {WEBHOOK} FROM webhooks WHERE wake_at <= ? AND held_until <= ? \
                     ORDER BY held_until LIMIT ? FOR UPDATE SKIP LOCKED"
                );
                let claimed: Vec<WebhookRow> = sqlx::query_as(AssertSqlSafe(query))
                    .bind(now)
                    .bind(now)
                    .bind(most)
                    .fetch_all(&mut *tx)
                    .await?;
                for webhook in &claimed {
                    sqlx::query("UPDATE webhooks SET held_until = ? WHERE id = ?")
                        .bind(until)
                        .bind(webhook.id)
                        .execute(&mut *tx)
                        .await?;
                }
                Ok(tx.done(claimed))
            })
            .await
    }

    async fn due(&self, webhook: Uuid, now: i64, most: u32) -> Result<Vec<DeliveryRow>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let query = format!(
                    "SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook_id = ? AND due_at <= ? \
                     ORDER BY due_at, id LIMIT ?"
                );
                let found = sqlx::query_as(AssertSqlSafe(query))
                    .bind(webhook)
                    .bind(now)
                    .bind(most)
                    .fetch_all(&mut *mysql)
                    .await?;
                Ok(found)
            })
            .await
    }

    async fn settle(&self, round: &Round) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                // From here on nobody adds a message that the new `wake_at` would not count.
                sqlx::query("SELECT id FROM webhooks WHERE id = ? FOR UPDATE")
                    .bind(round.webhook)
                    .fetch_optional(&mut *tx)
                    .await?;
                for attempt in &round.attempts {
                    sqlx::query(
                        "UPDATE webhook_deliveries SET attempts = ?, due_at = ?, delivered = ?, attempted_at = ?, \
                         http_status = ?, problem = ?, latency_ms = ? WHERE id = ? AND due_at IS NOT NULL",
                    )
                    .bind(attempt.attempts)
                    .bind(attempt.due_at)
                    .bind(attempt.delivered)
                    .bind(attempt.attempted_at)
                    .bind(attempt.http_status)
                    .bind(attempt.problem)
                    .bind(attempt.latency_ms)
                    .bind(attempt.delivery)
                    .execute(&mut *tx)
                    .await?;
                }
                sqlx::query(
                    "UPDATE webhooks SET last_success_at = COALESCE(?, last_success_at), streak = ?, \
                     disabled_reason = COALESCE(disabled_reason, ?), held_until = IF(held_until = ?, ?, held_until), \
                     wake_at = IF(disabled_reason IS NULL, \
                         (SELECT MIN(due_at) FROM webhook_deliveries WHERE webhook_id = ?), NULL) \
                     WHERE id = ?",
                )
                .bind(round.success_at)
                .bind(round.streak)
                .bind(round.disable.map(DisabledReason::name))
                .bind(round.claimed_until)
                .bind(round.rest_until)
                .bind(round.webhook)
                .bind(round.webhook)
                .execute(&mut *tx)
                .await?;
                Ok(tx.done(()))
            })
            .await
    }

    async fn sweep_deliveries(&self, before: i64) -> Result<u64, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let removed = sqlx::query(
                    "DELETE FROM webhook_deliveries WHERE created_at < ? ORDER BY created_at LIMIT ?",
                )
                .bind(before)
                .bind(SWEEP)
                .execute(&mut *tx)
                .await?;
                Ok(tx.done(removed.rows_affected()))
            })
            .await
    }
}
