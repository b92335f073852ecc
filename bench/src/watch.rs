//! Sees messages appear in the archive, as any reader of it would.
//!
//! The collection is asked again and again for the messages that have been acknowledged and were not there yet. What is
//! found was there by the end of that look; when it came exactly is not known, so a delay is never measured too short.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chatbot_api::conversations::MessageOut;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::error::Result;

/// Time between the beginnings of two looks: each costs the store what archiving some messages does.
const LOOK: Duration = Duration::from_millis(100);

/// How long is waited for what is missing after the last turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most messages asked for at once.
const MOST: usize = 500;

/// A stored message.
pub(crate) struct Acknowledged {
    message: Uuid,
    /// Its time, which storage takes before the transaction begins.
    created: Timestamp,
    /// When the caller was told, which is after the commit.
    told: Timestamp,
    counts: bool,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// From each message's own time, before its commit, to the end of the look that found it.
    pub(crate) since_created: Vec<Duration>,
    /// From its acknowledgement, after its commit, to the same moment.
    pub(crate) since_told: Vec<Duration>,
    /// How long looks took.
    pub(crate) looks: Vec<Duration>,
    /// Messages that never came.
    pub(crate) missing: usize,
}

impl Acknowledged {
    /// One that was acknowledged at this moment.
    pub(crate) fn now(message: &MessageOut, counts: bool) -> Self {
        Self {
            message: message.id,
            created: message.created_at,
            told: Timestamp::now(),
            counts,
        }
    }
}

/// Looks until everything that was expected is there, or nothing more comes of it.
pub(crate) async fn until_all(
    transcripts: Collection<Document>,
    mut expected: UnboundedReceiver<Acknowledged>,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut waiting: HashMap<String, Acknowledged> = HashMap::new();
    let mut give_up: Option<Instant> = None;
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match expected.try_recv() {
                Ok(more) => {
                    waiting.insert(more.message.to_string(), more);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    give_up.get_or_insert_with(|| Instant::now() + PATIENCE);
                    break;
                }
            }
        }
        if let Some(give_up) = give_up
            && (waiting.is_empty() || Instant::now() >= give_up)
        {
            seen.missing = waiting.len();
            return Ok(seen);
        }
        let ids: Vec<_> = waiting.keys().cloned().collect();
        for some in ids.chunks(MOST) {
            let began = Instant::now();
            let found = look(&transcripts, some).await?;
            let now = Timestamp::now();
            seen.looks.push(began.elapsed());
            for id in found {
                if let Some(message) = waiting.remove(&id).filter(|of| of.counts) {
                    seen.since_created.push(between(message.created, now));
                    seen.since_told.push(between(message.told, now));
                }
            }
        }
    }
}

/// Those of them that are there.
async fn look(transcripts: &Collection<Document>, ids: &[String]) -> Result<Vec<String>> {
    let found = transcripts
        .find(doc! {"_id": {"$in": ids}})
        .projection(doc! {"_id": 1})
        .await?;
    let found: Vec<Document> = found.try_collect().await?;
    let ids = found
        .iter()
        .filter_map(|document| document.get_str("_id").ok());
    Ok(ids.map(str::to_owned).collect())
}

/// Nothing where the second is before the first: it may be seen before its acknowledgement arrives.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
