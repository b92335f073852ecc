//! Mails and their links on MySQL. Processes claim different mails at the same time: none waits for another's lock.

use sqlx::Row as _;
use uuid::Uuid;

use super::{MysqlStore, Unit};
use crate::error::Error;
use crate::mail::{NewMail, Subject};
use crate::store::{MailStore, NewLink, Queued, Use, WaitingMail};
use chatbot_runtime::mysql::{Abort, Tx};

impl MailStore for MysqlStore {
    async fn queue(&self, mail: &NewMail, most: u32, since: i64) -> Result<Queued, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let asked: i64 = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM mails WHERE email_key = ? AND subject = ? AND created_at > ? AND id <> ?",
                )
                .bind(&mail.email_key)
                .bind(mail.subject.name())
                .bind(since)
                .bind(mail.id)
                .fetch_one(&mut *tx)
                .await?;
                if asked >= i64::from(most) {
                    return Ok(tx.done(Queued::Enough));
                }
                insert(&mut tx, mail).await?;
                Ok(tx.done(Queued::Yes))
            })
            .await
    }

    async fn claim(&self, now: i64, until: i64, most: u32) -> Result<Vec<WaitingMail>, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let rows = sqlx::query(
                    "SELECT id, subject, email_key, created_at, attempts FROM mails WHERE due_at <= ? \
                     ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED",
                )
                .bind(now)
                .bind(most)
                .fetch_all(&mut *tx)
                .await?;
                let mut claimed = Vec::with_capacity(rows.len());
                for row in rows {
                    let id: Uuid = row.try_get("id")?;
                    sqlx::query("UPDATE mails SET due_at = ?, attempts = attempts + 1 WHERE id = ?")
                        .bind(until)
                        .bind(id)
                        .execute(&mut *tx)
                        .await?;
                    let subject: String = row.try_get("subject")?;
                    // A newer release may have mails that this one cannot write; it sends them itself.
                    let Some(subject) = Subject::parse(&subject) else {
                        continue;
                    };
                    claimed.push(WaitingMail {
                        id,
                        subject,
                        email_key: row.try_get("email_key")?,
                        created_at: row.try_get("created_at")?,
                        attempts: row.try_get::<u32, _>("attempts")? + 1,
                    });
                }
                Ok(tx.done(claimed))
            })
            .await
    }

    async fn settle(&self, mail: Uuid, due_at: Option<i64>) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                sqlx::query("UPDATE mails SET due_at = ? WHERE id = ?")
                    .bind(due_at)
                    .bind(mail)
                    .execute(&mut *tx)
                    .await?;
                Ok(tx.done(()))
            })
            .await
    }

    async fn add_link(&self, link: NewLink) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                sqlx::query(
                    "INSERT INTO mail_tokens (hash, account_id, purpose, expires_at) VALUES (?, ?, ?, ?) \
                     ON DUPLICATE KEY UPDATE hash = hash",
                )
                .bind(&link.hash[..])
                .bind(link.account)
                .bind(link.subject.name())
                .bind(link.expires_at)
                .execute(&mut *tx)
                .await?;
                Ok(tx.done(()))
            })
            .await
    }

    async fn verify(&self, link: Use) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let (account, _) = spend(&mut tx, link, Subject::Verification).await?;
                set_verified(&mut tx, account, link.now).await?;
                Ok(tx.done(()))
            })
            .await
    }

    async fn reset(&self, link: Use, password_hash: &str) -> Result<Vec<Uuid>, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let (account, used_at) = spend(&mut tx, link, Subject::Reset).await?;
                // Of a request that was done before, only the answer is given again.
                if used_at.is_none() {
                    set_password(&mut tx, account, password_hash, link.now).await?;
                }
                let ended = sqlx::query_scalar(
                    "SELECT id FROM sessions WHERE account_id = ? AND revoked_at = ?",
                )
                .bind(account)
                .bind(used_at.unwrap_or(link.now))
                .fetch_all(&mut *tx)
                .await?;
                Ok(tx.done(ended))
            })
            .await
    }
}

pub(super) async fn insert(tx: &mut Tx, mail: &NewMail) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO mails (id, subject, email_key, created_at, due_at) VALUES (?, ?, ?, ?, ?) \
         ON DUPLICATE KEY UPDATE id = id",
    )
    .bind(mail.id)
    .bind(mail.subject.name())
    .bind(&mail.email_key)
    .bind(mail.created_at)
    .bind(mail.created_at)
    .execute(&mut **tx)
    .await
    .map(|_| ())
}

/// Uses a link; says whose it is, and when this request used it before.
async fn spend(
    tx: &mut Tx,
    link: Use,
    subject: Subject,
) -> Result<(Uuid, Option<i64>), Abort<Error>> {
    type Row = (Uuid, i64, Option<i64>, Option<Vec<u8>>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT account_id, expires_at, used_at, used_by FROM mail_tokens WHERE hash = ? AND purpose = ? FOR UPDATE",
    )
    .bind(&link.hash[..])
    .bind(subject.name())
    .fetch_optional(&mut **tx)
    .await?;
    let Some((account, expires_at, used_at, used_by)) = row else {
        return Err(Abort::Refused(Error::LinkSpent));
    };
    if used_at.is_some() {
        return if used_by.as_deref() == Some(&link.request[..]) {
            Ok((account, used_at))
        } else {
            Err(Abort::Refused(Error::LinkSpent))
        };
    }
    if expires_at <= link.now {
        return Err(Abort::Refused(Error::LinkSpent));
    }
    sqlx::query("UPDATE mail_tokens SET used_at = ?, used_by = ? WHERE hash = ?")
        .bind(link.now)
        .bind(&link.request[..])
        .bind(&link.hash[..])
        .execute(&mut **tx)
        .await?;
    Ok((account, None))
}

async fn set_verified(tx: &mut Tx, account: Uuid, now: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO verified_emails (account_id, verified_at) VALUES (?, ?) \
         ON DUPLICATE KEY UPDATE account_id = account_id",
    )
    .bind(account)
    .bind(now)
    .execute(&mut **tx)
    .await
    .map(|_| ())
}

async fn set_password(
    tx: &mut Tx,
    account: Uuid,
    password_hash: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE accounts SET password_hash = ? WHERE id = ?")
        .bind(password_hash)
        .bind(account)
        .execute(&mut **tx)
        .await?;
    set_verified(tx, account, now).await?;
    for statement in [
        "UPDATE sessions SET revoked_at = ? WHERE account_id = ? AND revoked_at IS NULL",
        // Used by nobody: no request has them.
        "UPDATE mail_tokens SET used_at = ? WHERE account_id = ? AND used_at IS NULL AND purpose = 'password-reset'",
    ] {
        sqlx::query(statement)
            .bind(now)
            .bind(account)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
