//! The document store of a single process: tables beside the others in its file.
//!
//! What changes something runs alone ([`Database::write`]), so that nothing here can come late.

use chatbot_contract::requests::{Request, VERSION};
use chatbot_runtime::sqlite::{self, Database, Tx};
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{DayNumbers, DayUsage, Documents, Error, Position, Retention, Transcript, remembered};
use crate::store::role_number;

/// The document store in SQLite.
#[derive(Clone)]
pub struct SqliteDocuments {
    database: Database,
}

impl SqliteDocuments {
    /// Makes the document store of a file that has the schema [`crate::SQLITE_DOCUMENTS`].
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

impl Documents for SqliteDocuments {
    /// The schema is made with the file.
    async fn prepare(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn put(&self, transcripts: &[Transcript], retention: Retention) -> Result<(), Error> {
        if transcripts.is_empty() {
            return Ok(());
        }
        let mut tx = self.database.write().await?;
        for transcript in transcripts {
            write(&mut tx, transcript, retention).await?;
            if let Some(model) = transcript.model() {
                sqlx::query(
                    "INSERT INTO analytics (day, model, stale) VALUES (?, ?, 1) \
                     ON CONFLICT DO UPDATE SET stale = 1",
                )
                .bind(transcript.day().to_string())
                .bind(model)
                .execute(&mut *tx)
                .await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn remove(
        &self,
        conversation: Uuid,
        messages: &[Uuid],
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        for message in messages {
            sqlx::query(
                "INSERT INTO transcripts (id, removed, conversation_id, expires_at) VALUES (?, 1, ?, ?) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(message)
            .bind(conversation)
            .bind(remembered(now))
            .execute(&mut *tx)
            .await?;
            remove(&mut tx, "id", *message, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn remove_conversation(&self, conversation: Uuid, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        remove(&mut tx, "conversation_id", conversation, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn renew(&self) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        for statement in [
            "DELETE FROM transcripts WHERE removed = 1",
            "UPDATE analytics SET stale = 1",
        ] {
            sqlx::query(statement).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn after(&self, after: Position, limit: u32) -> Result<Vec<Transcript>, Error> {
        let mut tx = self.database.read().await?;
        let rows = sqlx::query_as(
            "SELECT * FROM transcripts WHERE removed = 0 AND (conversation_id, seq) > (?, ?) \
             ORDER BY conversation_id, seq LIMIT ?",
        )
        .bind(after.conversation)
        .bind(i64::try_from(after.seq).unwrap_or(i64::MAX))
        .bind(limit);
        Ok(rows.fetch_all(&mut *tx).await?)
    }

    async fn usage(&self, user: Uuid, from: Date, to: Date) -> Result<Vec<DayUsage>, Error> {
        let mut tx = self.database.read().await?;
        let rows = sqlx::query(
            "SELECT day, model, COUNT(*) AS turns, COALESCE(SUM(prompt_tokens), 0) AS prompt_tokens, \
             COALESCE(SUM(completion_tokens), 0) AS completion_tokens FROM transcripts \
             WHERE user_id = ? AND day >= ? AND day <= ? AND role = 2 AND removed = 0 \
             GROUP BY day, model ORDER BY day, model",
        )
        .bind(user)
        .bind(from.to_string())
        .bind(to.to_string());
        rows.fetch_all(&mut *tx).await?.iter().map(usage).collect()
    }

    async fn compute(&self, since: Option<Date>) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        sqlx::query(
            "UPDATE analytics SET (turns, prompt_tokens, completion_tokens, users) = \
             (SELECT COUNT(*), COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0), \
             COUNT(DISTINCT user_id) FROM transcripts t \
             WHERE t.day = analytics.day AND t.model = analytics.model AND role = 2 AND removed = 0) \
             WHERE stale = 1 AND day >= ?",
        )
        // Before every day.
        .bind(since.map_or_else(String::new, |day| day.to_string()))
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE analytics SET stale = 0 WHERE stale = 1")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn numbers(&self) -> Result<Vec<DayNumbers>, Error> {
        let mut tx = self.database.read().await?;
        let rows = sqlx::query("SELECT * FROM analytics WHERE turns > 0 ORDER BY day, model")
            .fetch_all(&mut *tx)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(DayNumbers {
                    usage: usage(row)?,
                    users: row.try_get("users")?,
                })
            })
            .collect()
    }

    async fn note(&self, requests: &[Request], retention: Retention) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        for request in requests {
            note(&mut tx, request, retention).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn requests(&self, from: Timestamp, limit: u32) -> Result<Vec<Request>, Error> {
        let mut tx = self.database.read().await?;
        let rows = sqlx::query("SELECT * FROM requests WHERE time >= ? ORDER BY time, id LIMIT ?")
            .bind(from.as_millisecond())
            .bind(limit);
        rows.fetch_all(&mut *tx)
            .await?
            .iter()
            .map(request)
            .collect()
    }

    async fn expire(&self, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.database.write().await?;
        for statement in [
            "DELETE FROM transcripts WHERE expires_at <= ?",
            "DELETE FROM requests WHERE expires_at <= ?",
        ] {
            sqlx::query(statement)
                .bind(now.as_millisecond())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Leaves of transcripts what keeps their messages from being written again; what was removed before
/// stays as it is.
async fn remove(
    tx: &mut Tx,
    column: &'static str,
    id: Uuid,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let stale = format!(
        "UPDATE analytics SET stale = 1 WHERE (day, model) IN \
         (SELECT day, model FROM transcripts WHERE {column} = ? AND role = 2)"
    );
    sqlx::query(sqlx::AssertSqlSafe(stale))
        .bind(id)
        .execute(&mut **tx)
        .await?;
    let removed = format!(
        "UPDATE transcripts SET removed = 1, expires_at = ?, seq = NULL, turn_id = NULL, user_id = NULL, \
         role = NULL, day = NULL, model = NULL, prompt_tokens = NULL, completion_tokens = NULL, \
         created_at = NULL, content = NULL WHERE removed = 0 AND {column} = ?"
    );
    sqlx::query(sqlx::AssertSqlSafe(removed))
        .bind(remembered(now))
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn write(
    tx: &mut Tx,
    transcript: &Transcript,
    retention: Retention,
) -> Result<(), sqlite::Error> {
    let day = transcript.day().to_string();
    let Transcript {
        message,
        user_id,
        usage,
    } = transcript;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    // A message never changes, so what is there is what would be written, but for its expiry.
    sqlx::query(
        "INSERT INTO transcripts (id, removed, conversation_id, seq, turn_id, user_id, role, day, model, \
         prompt_tokens, completion_tokens, created_at, expires_at, content) \
         VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at, content = excluded.content WHERE removed = 0",
    )
    .bind(message.id)
    .bind(message.conversation_id)
    .bind(signed(message.seq))
    .bind(message.turn_id)
    .bind(user_id)
    .bind(role_number(message.role))
    .bind(day)
    .bind(&message.model)
    .bind(usage.map(|usage| signed(usage.prompt_tokens)))
    .bind(usage.map(|usage| signed(usage.completion_tokens)))
    .bind(message.created_at)
    .bind(retention.expires_at(message.created_at))
    .bind(&message.content)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn note(tx: &mut Tx, request: &Request, retention: Retention) -> Result<(), sqlite::Error> {
    let Request {
        version: _,
        id,
        time,
        request_id,
        method,
        route,
        status,
        error,
        milliseconds,
        user_id,
        agent,
    } = request;
    // A request never changes: what is there is what would be written.
    sqlx::query(
        "INSERT INTO requests (id, time, request_id, method, route, status, error, milliseconds, user_id, agent, \
         expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(time.as_millisecond())
    .bind(request_id)
    .bind(method)
    .bind(route)
    .bind(status)
    .bind(error)
    .bind(i64::try_from(*milliseconds).unwrap_or(i64::MAX))
    .bind(user_id)
    .bind(agent)
    .bind(retention.expires_at(time.as_millisecond()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn request(row: &SqliteRow) -> Result<Request, Error> {
    let time = Timestamp::from_millisecond(row.try_get("time")?);
    Ok(Request {
        version: VERSION,
        id: row.try_get("id")?,
        time: time.map_err(|error| Error::Malformed(error.to_string()))?,
        request_id: row.try_get("request_id")?,
        method: row.try_get("method")?,
        route: row.try_get("route")?,
        status: row.try_get("status")?,
        error: row.try_get("error")?,
        milliseconds: row.try_get("milliseconds")?,
        user_id: row.try_get("user_id")?,
        agent: row.try_get("agent")?,
    })
}

fn usage(row: &SqliteRow) -> Result<DayUsage, Error> {
    let day: String = row.try_get("day")?;
    let day = day
        .parse()
        .map_err(|error: jiff::Error| Error::Malformed(error.to_string()))?;
    Ok(DayUsage {
        day,
        model: row.try_get("model")?,
        turns: row.try_get("turns")?,
        prompt_tokens: row.try_get("prompt_tokens")?,
        completion_tokens: row.try_get("completion_tokens")?,
    })
}
