//! The store on SQLite: what changes something runs alone, so what it has read is still so when it commits.

mod mails;

use chatbot_runtime::sqlite::{Database, Tx};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Account, AccountStore, NewToken, Registered};
use crate::error::Error;
use crate::mail::NewMail;
use crate::session::{Stored, Verdict};

/// The store on SQLite.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Makes the store of a file that has the schema [`crate::SQLITE`].
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Only this adapter meets bare errors of sqlx: the other one's are sorted by the unit of work around them.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

impl AccountStore for SqliteStore {
    async fn register(
        &self,
        account: &Account,
        request: [u8; 32],
        mail: Option<&NewMail>,
    ) -> Result<Registered, Error> {
        let mut tx = self.database.write().await?;
        let before = sqlx::query_as(
            "SELECT accounts.*, verified_at FROM registrations JOIN accounts ON accounts.id = registrations.account_id \
             LEFT JOIN verified_emails ON verified_emails.account_id = accounts.id WHERE registrations.request = ?",
        )
        .bind(&request[..])
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(before) = before {
            return Ok(Registered::Before(before));
        }
        let inserted = sqlx::query(
            "INSERT INTO accounts (id, email, email_key, password_hash, display_name, created_at) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (email_key) DO NOTHING",
        )
        .bind(account.id)
        .bind(&account.email)
        .bind(&account.email_key)
        .bind(&account.password_hash)
        .bind(&account.display_name)
        .bind(account.created_at)
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(Error::EmailTaken);
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
        tx.commit().await?;
        Ok(Registered::Made)
    }

    async fn by_email(&self, email_key: &str) -> Result<Option<Account>, Error> {
        let mut tx = self.database.read().await?;
        let account = sqlx::query_as("SELECT accounts.*, verified_at FROM accounts LEFT JOIN verified_emails ON account_id = id WHERE email_key = ?")
            .bind(email_key)
            .fetch_optional(&mut *tx)
            .await?;
        Ok(account)
    }

    async fn by_id(&self, id: Uuid) -> Result<Option<Account>, Error> {
        let mut tx = self.database.read().await?;
        let account = sqlx::query_as("SELECT accounts.*, verified_at FROM accounts LEFT JOIN verified_emails ON account_id = id WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        Ok(account)
    }

    async fn open_session(
        &self,
        session: Uuid,
        account: &Account,
        token: NewToken,
        now: i64,
    ) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        let same: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM accounts WHERE id = ? AND password_hash = ?")
                .bind(account.id)
                .bind(&account.password_hash)
                .fetch_optional(&mut *tx)
                .await?;
        if same.is_none() {
            return Err(Error::WrongPassword);
        }
        sqlx::query(
            "INSERT INTO sessions (id, account_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
        )
        .bind(session)
        .bind(account.id)
        .bind(now)
        .bind(token.expires_at)
        .execute(&mut *tx)
        .await?;
        insert_token(&mut tx, session, token).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn rotate(
        &self,
        hash: [u8; 32],
        successor: NewToken,
        now: i64,
    ) -> Result<Option<(Stored, Verdict)>, Error> {
        let mut tx = self.database.write().await?;
        let Some(stored) = stored(&mut tx, hash).await? else {
            return Ok(None);
        };
        let verdict = stored.verdict(now);
        match verdict {
            Verdict::Renew => renew(&mut tx, hash, stored.session, successor, now).await?,
            Verdict::Revoke => {
                sqlx::query("UPDATE sessions SET revoked_at = ? WHERE id = ?")
                    .bind(now)
                    .bind(stored.session)
                    .execute(&mut *tx)
                    .await?;
            }
            Verdict::Refuse => {}
        }
        tx.commit().await?;
        Ok(Some((stored, verdict)))
    }

    async fn end_session(&self, hash: [u8; 32], now: i64) -> Result<Option<Uuid>, Error> {
        let mut tx = self.database.write().await?;
        let session = sqlx::query_scalar(
            "UPDATE sessions SET revoked_at = COALESCE(revoked_at, ?) \
             WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = ?) RETURNING id",
        )
        .bind(now)
        .bind(&hash[..])
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(session)
    }

    async fn prune(&self, now: i64, before: i64) -> Result<(), Error> {
        const STATEMENTS: [&str; 5] = [
            "DELETE FROM refresh_tokens WHERE expires_at < ?",
            "DELETE FROM sessions WHERE expires_at < ?",
            "DELETE FROM mail_tokens WHERE expires_at < ?",
            "DELETE FROM registrations WHERE created_at < ?",
            "DELETE FROM mails WHERE due_at IS NULL AND created_at < ?",
        ];
        let mut tx = self.database.write().await?;
        for (statement, time) in STATEMENTS.into_iter().zip([now, now, now, before, before]) {
            sqlx::query(statement).bind(time).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn stored(tx: &mut Tx, hash: [u8; 32]) -> Result<Option<Stored>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT session_id, account_id, refresh_tokens.expires_at, rotated_at, revoked_at \
         FROM refresh_tokens JOIN sessions ON sessions.id = session_id WHERE hash = ?",
    )
    .bind(&hash[..])
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| {
        Ok(Stored {
            session: row.try_get("session_id")?,
            account: row.try_get("account_id")?,
            expires_at: row.try_get("expires_at")?,
            rotated_at: row.try_get("rotated_at")?,
            revoked_at: row.try_get("revoked_at")?,
        })
    })
    .transpose()
}

async fn renew(
    tx: &mut Tx,
    hash: [u8; 32],
    session: Uuid,
    successor: NewToken,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE refresh_tokens SET rotated_at = COALESCE(rotated_at, ?) WHERE hash = ?")
        .bind(now)
        .bind(&hash[..])
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE sessions SET expires_at = MAX(expires_at, ?) WHERE id = ?")
        .bind(successor.expires_at)
        .bind(session)
        .execute(&mut **tx)
        .await?;
    insert_token(tx, session, successor).await
}

async fn insert_token(tx: &mut Tx, session: Uuid, token: NewToken) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES (?, ?, ?)")
        .bind(&token.hash[..])
        .bind(session)
        .bind(token.expires_at)
        .execute(&mut **tx)
        .await
        .map(|_| ())
}
