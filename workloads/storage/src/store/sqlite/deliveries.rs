//! Messages to webhooks in SQLite: what changes something runs alone, so nothing is locked.

use std::collections::BTreeSet;

use chatbot_api::webhooks::DisabledReason;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};
use uuid::Uuid;

use super::SqliteStore;
use crate::store::Error;
use crate::store::deliveries::{
    DELIVERY, DeliveryRow, DeliveryStore, Listening, NewDelivery, Round,
};
use crate::store::webhooks::{WEBHOOK, WebhookRow};

/// Rows of one sweep, which others wait for.
const SWEEP: u32 = 1_000;

impl DeliveryStore for SqliteStore {
    async fn listening(&self, users: &BTreeSet<Uuid>) -> Result<Vec<Listening>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.database.read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, user_id, events, created_at FROM webhooks WHERE disabled_reason IS NULL AND user_id IN (",
        );
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        // Its text depends on the number of users: keeping each would push out the others.
        let select = query.push(")").build_query_as().persistent(false);
        Ok(select.fetch_all(&mut *tx).await?)
    }

    async fn add_deliveries(&self, deliveries: &[NewDelivery]) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        for delivery in deliveries {
            let added = sqlx::query(
                "INSERT INTO webhook_deliveries (id, webhook_id, event_id, kind, body, created_at, due_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
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
            if added.rows_affected() == 0 {
                continue;
            }
            sqlx::query(
                "UPDATE webhooks SET wake_at = MIN(COALESCE(wake_at, ?), ?) WHERE id = ? AND disabled_reason IS NULL",
            )
            .bind(delivery.now)
            .bind(delivery.now)
            .bind(delivery.webhook_id)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn made_since(&self, webhook: Uuid, kind: &str, since: i64) -> Result<u32, Error> {
        let mut tx = self.database.read().await?;
        let made: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook_id = ? AND kind = ? AND created_at > ?",
        )
        .bind(webhook)
        .bind(kind)
        .bind(since)
        .fetch_one(&mut *tx)
        .await?;
        Ok(u32::try_from(made).unwrap_or(u32::MAX))
    }

    async fn deliveries(
        &self,
        webhook: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let mut tx = self.database.read().await?;
        let query = format!(
            "SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
        );
        let found = sqlx::query_as(AssertSqlSafe(query))
            .bind(webhook)
            .bind(before.unwrap_or(Uuid::max()))
            .bind(limit);
        Ok(found.fetch_all(&mut *tx).await?)
    }

    async fn claim(&self, now: i64, until: i64, most: u32) -> Result<Vec<WebhookRow>, Error> {
        let due = format!(
            "SELECT {WEBHOOK} FROM webhooks WHERE wake_at <= ? AND held_until <= ? ORDER BY held_until LIMIT ?"
        );
        // Mostly there is nothing: then nobody who writes waits for this.
        let claimed: Vec<WebhookRow> = {
            let mut tx = self.database.read().await?;
            let found = sqlx::query_as(AssertSqlSafe(due)).bind(now).bind(now);
            found.bind(most).fetch_all(&mut *tx).await?
        };
        if claimed.is_empty() {
            return Ok(claimed);
        }
        let mut tx = self.database.write().await?;
        let mut held = Vec::with_capacity(claimed.len());
        for webhook in claimed {
            let done = sqlx::query(
                "UPDATE webhooks SET held_until = ? WHERE id = ? AND wake_at <= ? AND held_until <= ?",
            )
            .bind(until)
            .bind(webhook.id)
            .bind(now)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 1 {
                held.push(webhook);
            }
        }
        tx.commit().await?;
        Ok(held)
    }

    async fn due(&self, webhook: Uuid, now: i64, most: u32) -> Result<Vec<DeliveryRow>, Error> {
        let mut tx = self.database.read().await?;
        let query = format!(
            "SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook_id = ? AND due_at <= ? \
             ORDER BY due_at, id LIMIT ?"
        );
        let found = sqlx::query_as(AssertSqlSafe(query)).bind(webhook).bind(now);
        Ok(found.bind(most).fetch_all(&mut *tx).await?)
    }

    async fn settle(&self, round: &Round) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
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
        let disable = round.disable.map(DisabledReason::name);
        sqlx::query(
            "UPDATE webhooks SET last_success_at = COALESCE(?, last_success_at), streak = ?, \
             disabled_reason = COALESCE(disabled_reason, ?), held_until = IIF(held_until = ?, ?, held_until), \
             wake_at = IIF(COALESCE(disabled_reason, ?) IS NULL, \
                 (SELECT MIN(due_at) FROM webhook_deliveries WHERE webhook_id = ?), NULL) \
             WHERE id = ?",
        )
        .bind(round.success_at)
        .bind(round.streak)
        .bind(disable)
        .bind(round.claimed_until)
        .bind(round.rest_until)
        .bind(disable)
        .bind(round.webhook)
        .bind(round.webhook)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn sweep_deliveries(&self, before: i64) -> Result<u64, Error> {
        let mut tx = self.database.write().await?;
        let removed = sqlx::query(
            "DELETE FROM webhook_deliveries WHERE id IN \
             (SELECT id FROM webhook_deliveries WHERE created_at < ? ORDER BY created_at LIMIT ?)",
        )
        .bind(before)
        .bind(SWEEP)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(removed.rows_affected())
    }
}
