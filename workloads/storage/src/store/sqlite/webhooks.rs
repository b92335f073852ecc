//! Webhooks in SQLite.

use chatbot_api::webhooks::DisabledReason;
use sqlx::{AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

use super::SqliteStore;
use crate::store::Error;
use crate::store::webhooks::{Added, Changes, NewWebhook, WEBHOOK, WebhookRow, WebhookStore};

impl WebhookStore for SqliteStore {
    async fn add_webhook(&self, webhook: &NewWebhook, most: u32) -> Result<Added, Error> {
        let mut tx = self.database.write().await?;
        let others: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM webhooks WHERE user_id = ? AND id <> ?")
                .bind(webhook.user_id)
                .bind(webhook.id)
                .fetch_one(&mut *tx)
                .await?;
        if others >= i64::from(most) {
            return Ok(Added::Enough);
        }
        sqlx::query(
            "INSERT INTO webhooks (id, user_id, url, description, secret, events, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(webhook.id)
        .bind(webhook.user_id)
        .bind(&webhook.url)
        .bind(&webhook.description)
        .bind(&webhook.secret)
        .bind(&webhook.events)
        .bind(webhook.now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Added::Yes)
    }

    async fn webhooks(&self, user: Uuid) -> Result<Vec<WebhookRow>, Error> {
        let mut tx = self.database.read().await?;
        let query = format!("SELECT {WEBHOOK} FROM webhooks WHERE user_id = ? ORDER BY id");
        let found = sqlx::query_as(AssertSqlSafe(query)).bind(user);
        Ok(found.fetch_all(&mut *tx).await?)
    }

    async fn webhook(&self, user: Uuid, id: Uuid) -> Result<WebhookRow, Error> {
        let mut tx = self.database.read().await?;
        read(&mut tx, user, id).await
    }

    async fn change_webhook(
        &self,
        user: Uuid,
        id: Uuid,
        changes: &Changes,
    ) -> Result<WebhookRow, Error> {
        let mut tx = self.database.write().await?;
        read(&mut tx, user, id).await?;
        sqlx::query(
            "UPDATE webhooks SET url = COALESCE(?, url), description = COALESCE(?, description), \
             events = COALESCE(?, events) WHERE id = ?",
        )
        .bind(&changes.url)
        .bind(&changes.description)
        .bind(&changes.events)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        match changes.disabled {
            Some(true) => {
                sqlx::query(
                    "UPDATE webhooks SET disabled_reason = COALESCE(disabled_reason, ?), wake_at = NULL WHERE id = ?",
                )
                .bind(DisabledReason::ByUser.name())
                .bind(id)
                .execute(&mut *tx)
                .await?;
            }
            Some(false) => {
                sqlx::query(
                    "UPDATE webhooks SET disabled_reason = NULL, streak = 0, held_until = 0, \
                     wake_at = (SELECT MIN(due_at) FROM webhook_deliveries WHERE webhook_id = ?) \
                     WHERE id = ? AND disabled_reason IS NOT NULL",
                )
                .bind(id)
                .bind(id)
                .execute(&mut *tx)
                .await?;
            }
            None => {}
        }
        let changed = read(&mut tx, user, id).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn rotate_secret(
        &self,
        user: Uuid,
        id: Uuid,
        secret: &[u8],
        old_until: i64,
    ) -> Result<WebhookRow, Error> {
        let mut tx = self.database.write().await?;
        sqlx::query(
            "UPDATE webhooks SET old_secret = secret, old_secret_until = ?, secret = ? \
             WHERE id = ? AND user_id = ?",
        )
        .bind(old_until)
        .bind(secret)
        .bind(id)
        .bind(user)
        .execute(&mut *tx)
        .await?;
        let rotated = read(&mut tx, user, id).await?;
        tx.commit().await?;
        Ok(rotated)
    }

    async fn remove_webhook(&self, user: Uuid, id: Uuid) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        let removed = sqlx::query("DELETE FROM webhooks WHERE id = ? AND user_id = ?")
            .bind(id)
            .bind(user)
            .execute(&mut *tx)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(Error::NotFound);
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Reads a webhook of this user.
async fn read(tx: &mut SqliteConnection, user: Uuid, id: Uuid) -> Result<WebhookRow, Error> {
    let query = format!("SELECT {WEBHOOK} FROM webhooks WHERE id = ? AND user_id = ?");
    let found = sqlx::query_as(AssertSqlSafe(query)).bind(id).bind(user);
    found.fetch_optional(tx).await?.ok_or(Error::NotFound)
}
