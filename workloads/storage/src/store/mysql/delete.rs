//! Removing a conversation, however large.
//!
//! Group replication sends a transaction as one message and refuses one that is too large, so rows
//! go in batches. First the conversation is marked: from that commit on nobody finds it, and no
//! message can be added. A deletion that was cut off is ended by the same request sent again, or by
//! [`sweep`].

use chatbot_runtime::mysql::{Abort, Database};
use uuid::Uuid;

use super::{Events, Read, Unit};
use crate::store::Error;
use crate::store::event::NewEvent;

/// Rows of one transaction: at most 1,000 messages of 128 KiB, below the limit of 143 MB.
const BATCH: u32 = 1_000;

/// Conversations of one sweep.
const SWEEP: u32 = 100;

pub(super) async fn delete(
    database: &Database,
    events: Events,
    user: Uuid,
    conversation: Uuid,
    now: i64,
) -> Result<(), Error> {
    database
        .transaction(async |mut tx| -> Unit<_> {
            let marked: Option<(Option<i64>, u64)> = sqlx::query_as(
                "SELECT deleted_at, last_seq FROM conversations WHERE id = ? AND user_id = ? FOR UPDATE",
            )
            .bind(conversation)
            .bind(user)
            .fetch_optional(&mut *tx)
            .await?;
            match marked {
                None => return Err(Abort::Refused(Error::NotFound)),
                Some((Some(_), _)) => {}
                Some((None, last_seq)) => {
                    sqlx::query("UPDATE conversations SET deleted_at = ? WHERE id = ?")
                        .bind(now)
                        .bind(conversation)
                        .execute(&mut *tx)
                        .await?;
                    let event = NewEvent::deletion(user, conversation, last_seq, now)?;
                    events.write(&mut tx, event).await?;
                }
            }
            Ok(tx.done(()))
        })
        .await?;
    remove(database, conversation).await
}

/// Removes the rows of all conversations that are marked.
pub(super) async fn sweep(database: &Database) -> Result<usize, Error> {
    let marked: Vec<Uuid> = database
        .read(async |mut mysql| -> Read<_> {
            let marked = sqlx::query_scalar(
                "SELECT id FROM conversations WHERE deleted_at IS NOT NULL LIMIT ?",
            );
            Ok(marked.bind(SWEEP).fetch_all(&mut *mysql).await?)
        })
        .await?;
    for conversation in &marked {
        remove(database, *conversation).await?;
    }
    Ok(marked.len())
}

/// Removes the rows of a conversation that is marked: its own last, so that the mark stays while
/// there is anything else.
async fn remove(database: &Database, conversation: Uuid) -> Result<(), Error> {
    for statement in [
        "DELETE FROM messages WHERE conversation_id = ? ORDER BY seq LIMIT ?",
        "DELETE FROM turns WHERE conversation_id = ? ORDER BY id LIMIT ?",
        "DELETE FROM conversations WHERE id = ? LIMIT ?",
    ] {
        loop {
            let removed = database
                .transaction(async |mut tx| -> Unit<_> {
                    let done = sqlx::query(statement)
                        .bind(conversation)
                        .bind(BATCH)
                        .execute(&mut *tx)
                        .await?;
                    Ok(tx.done(done.rows_affected()))
                })
                .await?;
            if removed < u64::from(BATCH) {
                break;
            }
        }
    }
    Ok(())
}
