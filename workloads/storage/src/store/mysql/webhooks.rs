//! Webhooks in MySQL.

use chatbot_api::webhooks::DisabledReason;
use chatbot_runtime::mysql::Abort;
use sqlx::{AssertSqlSafe, MySqlConnection};
use uuid::Uuid;

use super::{MysqlStore, Read, Unit};
use crate::store::Error;
use crate::store::webhooks::{Added, Changes, NewWebhook, WEBHOOK, WebhookRow, WebhookStore};

impl WebhookStore for MysqlStore {
    async fn add_webhook(&self, webhook: &NewWebhook, most: u32) -> Result<Added, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                // The user's one row is the lock under which webhooks are counted.
                sqlx::query("SELECT user_id FROM user_keys WHERE user_id = ? FOR UPDATE")
                    .bind(webhook.user_id)
                    .fetch_optional(&mut *tx)
                    .await?;
                let others: i64 = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM webhooks WHERE user_id = ? AND id <> ?",
                )
                .bind(webhook.user_id)
                .bind(webhook.id)
                .fetch_one(&mut *tx)
                .await?;
                if others >= i64::from(most) {
                    return Ok(tx.done(Added::Enough));
                }
                sqlx::query(
                    "INSERT INTO webhooks (id, user_id, url, description, secret, events, created_at) \
                     VALUES (?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE id = id",
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
                Ok(tx.done(Added::Yes))
            })
            .await
    }

    async fn webhooks(&self, user: Uuid) -> Result<Vec<WebhookRow>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let query = format!("SELECT {WEBHOOK} FROM webhooks WHERE user_id = ? ORDER BY id");
                let found = sqlx::query_as(AssertSqlSafe(query))
                    .bind(user)
                    .fetch_all(&mut *mysql)
                    .await?;
                Ok(found)
            })
            .await
    }

    async fn webhook(&self, user: Uuid, id: Uuid) -> Result<WebhookRow, Error> {
        self.database
            .read(async |mut mysql| read(&mut mysql, user, id, "").await)
            .await
    }

    async fn change_webhook(
        &self,
        user: Uuid,
        id: Uuid,
        changes: &Changes,
    ) -> Result<WebhookRow, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                read(&mut tx, user, id, "FOR UPDATE").await?;
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
                let changed = read(&mut tx, user, id, "").await?;
                Ok(tx.done(changed))
            })
            .await
    }

    async fn rotate_secret(
        &self,
        user: Uuid,
        id: Uuid,
        secret: &[u8],
        old_until: i64,
    ) -> Result<WebhookRow, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                read(&mut tx, user, id, "FOR UPDATE").await?;
                // From left to right; a commit whose outcome was unknown has done it already.
                sqlx::query(
                    "UPDATE webhooks SET old_secret = secret, old_secret_until = ?, secret = ? \
                     WHERE id = ? AND secret <> ?",
                )
                .bind(old_until)
                .bind(secret)
                .bind(id)
                .bind(secret)
                .execute(&mut *tx)
                .await?;
                let rotated = read(&mut tx, user, id, "").await?;
                Ok(tx.done(rotated))
            })
            .await
    }

    async fn remove_webhook(&self, user: Uuid, id: Uuid) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let removed = sqlx::query("DELETE FROM webhooks WHERE id = ? AND user_id = ?")
                    .bind(id)
                    .bind(user)
                    .execute(&mut *tx)
                    .await?;
                if removed.rows_affected() == 0 {
                    return Err(Abort::Refused(Error::NotFound));
                }
                Ok(tx.done(()))
            })
            .await
    }
}

/// Reads a webhook of this user, with the lock that `lock` names.
async fn read(
    mysql: &mut MySqlConnection,
    user: Uuid,
    id: Uuid,
    lock: &'static str,
) -> Result<WebhookRow, Abort<Error>> {
    let query = format!("SELECT {WEBHOOK} FROM webhooks WHERE id = ? AND user_id = ? {lock}");
    sqlx::query_as(AssertSqlSafe(query))
        .bind(id)
        .bind(user)
        .fetch_optional(mysql)
        .await?
        .ok_or(Abort::Refused(Error::NotFound))
}
