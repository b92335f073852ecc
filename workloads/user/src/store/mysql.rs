//! The store on MySQL.
//!
//! Each unit of work may run again after a commit whose outcome is unknown: inserts of rows whose
//! ids the domain made meet themselves and change nothing.

mod mails;

use chatbot_runtime::mysql::{Abort, Category, Database, Done, Tx};
use uuid::Uuid;

use super::{Account, AccountStore, NewToken, Registered};
use crate::error::Error;
use crate::mail::NewMail;
use crate::session::{Stored, Verdict};

/// Rows removed by one statement: a large transaction would hold up a replication group.
const PRUNED_AT_ONCE: u32 = 1000;

/// The store on MySQL.
#[derive(Clone)]
pub struct MysqlStore {
    database: Database,
}

/// How a unit of work ends.
type Unit<T> = Result<Done<T>, Abort<Error>>;

/// What a read gives.
type Read<T> = Result<T, Abort<Error>>;

impl MysqlStore {
    /// Makes the store of a schema whose migrations are applied.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

impl AccountStore for MysqlStore {
    async fn register(
        &self,
        account: &Account,
        request: [u8; 32],
        mail: Option<&NewMail>,
    ) -> Result<Registered, Error> {
        self.database
            .transaction(|tx| register(tx, account, request, mail))
            .await
    }

    async fn by_email(&self, email_key: &str) -> Result<Option<Account>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let account = sqlx::query_as("SELECT accounts.*, verified_at FROM accounts LEFT JOIN verified_emails ON account_id = id WHERE email_key = ?")
                    .bind(email_key)
                    .fetch_optional(&mut *mysql)
                    .await?;
                Ok(account)
            })
            .await
    }

    async fn by_id(&self, id: Uuid) -> Result<Option<Account>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let account = sqlx::query_as("SELECT accounts.*, verified_at FROM accounts LEFT JOIN verified_emails ON account_id = id WHERE id = ?")
                    .bind(id)
                    .fetch_optional(&mut *mysql)
                    .await?;
                Ok(account)
            })
            .await
    }

    async fn open_session(
        &self,
        session: Uuid,
        account: &Account,
        token: NewToken,
        now: i64,
    ) -> Result<(), Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let same: Option<i64> = sqlx::query_scalar(
                    "SELECT 1 FROM accounts WHERE id = ? AND password_hash = ? FOR SHARE",
                )
                .bind(account.id)
                .bind(&account.password_hash)
                .fetch_optional(&mut *tx)
                .await?;
                if same.is_none() {
                    return Err(Abort::Refused(Error::WrongPassword));
                }
                sqlx::query(
                    "INSERT INTO sessions (id, account_id, created_at, expires_at) VALUES (?, ?, ?, ?) \
                     ON DUPLICATE KEY UPDATE id = id",
                )
                .bind(session)
                .bind(account.id)
                .bind(now)
                .bind(token.expires_at)
                .execute(&mut *tx)
                .await?;
                insert_token(&mut tx, session, token).await?;
                Ok(tx.done(()))
            })
            .await
    }

    async fn rotate(
        &self,
        hash: [u8; 32],
        successor: NewToken,
        now: i64,
    ) -> Result<Option<(Stored, Verdict)>, Error> {
        self.database
            .transaction(|tx| rotate(tx, hash, successor, now))
            .await
    }

    async fn end_session(&self, hash: [u8; 32], now: i64) -> Result<Option<Uuid>, Error> {
        self.database
            .transaction(async |mut tx| -> Unit<_> {
                let session: Option<Uuid> =
                    sqlx::query_scalar("SELECT session_id FROM refresh_tokens WHERE hash = ?")
                        .bind(&hash[..])
                        .fetch_optional(&mut *tx)
                        .await?;
                if let Some(session) = session {
                    sqlx::query(
                        "UPDATE sessions SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?",
                    )
                    .bind(now)
                    .bind(session)
                    .execute(&mut *tx)
                    .await?;
                }
                Ok(tx.done(session))
            })
            .await
    }

    async fn prune(&self, now: i64, before: i64) -> Result<(), Error> {
        const STATEMENTS: [&str; 5] = [
            "DELETE FROM refresh_tokens WHERE expires_at < ? LIMIT ?",
            "DELETE FROM sessions WHERE expires_at < ? LIMIT ?",
            "DELETE FROM mail_tokens WHERE expires_at < ? LIMIT ?",
            "DELETE FROM registrations WHERE created_at < ? LIMIT ?",
            "DELETE FROM mails WHERE due_at IS NULL AND created_at < ? LIMIT ?",
        ];
        for (statement, time) in STATEMENTS.into_iter().zip([now, now, now, before, before]) {
            let mut removed = u64::from(PRUNED_AT_ONCE);
            while removed == u64::from(PRUNED_AT_ONCE) {
                removed = self
                    .database
                    .transaction(async |mut tx| -> Unit<_> {
                        let done = sqlx::query(statement)
                            .bind(time)
                            .bind(PRUNED_AT_ONCE)
                            .execute(&mut *tx)
                            .await?;
                        Ok(tx.done(done.rows_affected()))
                    })
                    .await?;
            }
        }
        Ok(())
    }
}

async fn register(
    mut tx: Tx,
    account: &Account,
    request: [u8; 32],
    mail: Option<&NewMail>,
) -> Unit<Registered> {
    if let Some(before) = registered(&mut tx, request).await? {
        return Ok(tx.done(Registered::Before(before)));
    }
    let inserted = sqlx::query(
        "INSERT INTO accounts (id, email, email_key, password_hash, display_name, created_at) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(account.id)
    .bind(&account.email)
    .bind(&account.email_key)
    .bind(&account.password_hash)
    .bind(&account.display_name)
    .bind(account.created_at)
    .execute(&mut *tx)
    .await;
    if let Err(error) = inserted {
        if Category::of(&error) != Category::Duplicate {
            return Err(error.into());
        }
        // The insert has waited for the one who was first: it may have been the same request.
        return match registered(&mut tx, request).await? {
            Some(before) => Ok(tx.done(Registered::Before(before))),
            None => Err(Abort::Refused(Error::EmailTaken)),
        };
    }
    sqlx::query("INSERT INTO registrations (request, account_id, created_at) VALUES (?, ?, ?)")
        .bind(&request[..])
        .bind(account.id)
        .bind(account.created_at)
        .execute(&mut *tx)
        .await?;
    if let Some(mail) = mail {
        mails::insert(&mut tx, mail).await?;
    }
    Ok(tx.done(Registered::Made))
}

async fn registered(tx: &mut Tx, request: [u8; 32]) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as(
        "SELECT accounts.*, verified_at FROM registrations JOIN accounts ON accounts.id = registrations.account_id \
         LEFT JOIN verified_emails ON verified_emails.account_id = accounts.id WHERE registrations.request = ?",
    )
    .bind(&request[..])
    .fetch_optional(&mut **tx)
    .await
}

async fn rotate(
    mut tx: Tx,
    hash: [u8; 32],
    successor: NewToken,
    now: i64,
) -> Unit<Option<(Stored, Verdict)>> {
    // The session's lock puts everything that happens to its tokens in one order.
    let session: Option<(Uuid, Uuid, Option<i64>)> = sqlx::query_as(
        "SELECT id, account_id, revoked_at FROM sessions \
         WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = ?) FOR UPDATE",
    )
    .bind(&hash[..])
    .fetch_optional(&mut *tx)
    .await?;
    let Some((session, account, revoked_at)) = session else {
        return Ok(tx.done(None));
    };
    let token: Option<(i64, Option<i64>)> =
        sqlx::query_as("SELECT expires_at, rotated_at FROM refresh_tokens WHERE hash = ?")
            .bind(&hash[..])
            .fetch_optional(&mut *tx)
            .await?;
    let Some((expires_at, rotated_at)) = token else {
        return Ok(tx.done(None));
    };
    let stored = Stored {
        session,
        account,
        expires_at,
        rotated_at,
        revoked_at,
    };
    let verdict = stored.verdict(now);
    match verdict {
        Verdict::Renew => {
            sqlx::query(
                "UPDATE refresh_tokens SET rotated_at = COALESCE(rotated_at, ?) WHERE hash = ?",
            )
            .bind(now)
            .bind(&hash[..])
            .execute(&mut *tx)
            .await?;
            sqlx::query("UPDATE sessions SET expires_at = GREATEST(expires_at, ?) WHERE id = ?")
                .bind(successor.expires_at)
                .bind(session)
                .execute(&mut *tx)
                .await?;
            insert_token(&mut tx, session, successor).await?;
        }
        Verdict::Revoke => {
            sqlx::query("UPDATE sessions SET revoked_at = ? WHERE id = ?")
                .bind(now)
                .bind(session)
                .execute(&mut *tx)
                .await?;
        }
        Verdict::Refuse => {}
    }
    Ok(tx.done(Some((stored, verdict))))
}

async fn insert_token(tx: &mut Tx, session: Uuid, token: NewToken) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES (?, ?, ?) \
         ON DUPLICATE KEY UPDATE hash = hash",
    )
    .bind(&token.hash[..])
    .bind(session)
    .bind(token.expires_at)
    .execute(&mut **tx)
    .await
    .map(|_| ())
}
