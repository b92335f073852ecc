//! Running answers at Redis, so that any replica can go on with their events and stop them.
//!
//! The process that makes an answer writes its events to a stream of Redis, under the ids they have
//! anyway. It trusts its own log and not what it wrote: with each batch it learns what the stream holds,
//! and writes from there, so that a Redis which was emptied, or lost the newest events in a failover,
//! is filled again. With the same script it learns whether it is to stop. Everything is encrypted, and
//! goes by itself: [`RUNNING`] after the last sign of its writer, [`ENDED`] after the end.

mod script;
mod seal;

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::turns::{EventId, TurnEvent};
use chatbot_contract::redis::KEY_PREFIX;
use chatbot_runtime::redis::{Error, Redis, cmd, pipe};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::log::Log;
use script::Held;
use seal::Sealer;

/// How long a stream stays without a sign of its writer.
const RUNNING: Duration = Duration::from_secs(10);

/// How long a stream stays after its last event; then the stored answer is all there is.
const ENDED: Duration = Duration::from_secs(60);

/// Time between two signs of the writer, and so until it learns that it is to stop.
const SIGN: Duration = Duration::from_millis(250);

/// Time in which events are gathered before they are written.
const BATCH: Duration = Duration::from_millis(40);

/// Most events of one batch.
const MOST: usize = 256;

/// How long the last events are tried to be written.
const LAST: Duration = Duration::from_secs(10);

/// How long a request to stop waits for the one that makes the answer.
const CANCEL: Duration = Duration::from_secs(10);

/// An entry of a stream, as Redis gives it: its id, and its fields.
type Entry = (String, Vec<(String, Vec<u8>)>);

/// Running answers of all replicas. Clones share the connection.
#[derive(Clone)]
pub struct Tail {
    redis: Redis,
    sealer: Arc<Sealer>,
}

impl Tail {
    /// Makes the way to them; contents are encrypted with a key that is derived from the deployment's
    /// internal key.
    #[must_use]
    pub fn new(redis: Redis, internal_key: &[u8; 32]) -> Self {
        Self {
            redis,
            sealer: Arc::new(Sealer::new(internal_key)),
        }
    }

    /// Writes the events of `log` to its end, and stops it when that is asked.
    pub(crate) async fn mirror(&self, turn: Uuid, log: Arc<Log>) {
        let mut written = 0;
        let mut closed_since = None;
        loop {
            let closed = log.ended();
            if closed && closed_since.get_or_insert_with(Instant::now).elapsed() > LAST {
                return;
            }
            let events = log.slice(written, MOST);
            let sealed = events.iter().enumerate().map(|(index, event)| {
                let id = log.id(written + index);
                self.sealer.seal(log.user(), turn, id, event)
            });
            let whole = closed && written + events.len() == log.length();
            let life = if whole { ENDED } else { RUNNING };
            let keys = [stream(turn), cancel(turn)];
            let held = script::append(
                &self.redis,
                &keys,
                log.attempt(),
                written,
                life,
                sealed.collect(),
            )
            .await;
            match held {
                Ok(Held::Newer) => return,
                Ok(Held::Until { place, cancelled }) => {
                    if cancelled {
                        log.cancel();
                    }
                    written = place;
                    if closed && written >= log.length() {
                        return;
                    }
                    if written < log.length() {
                        // Behind, after a failover for example.
                        continue;
                    }
                }
                Err(_) => {
                    sleep(SIGN).await;
                    continue;
                }
            }
            // Silence ends with the next event, or with the time for a sign.
            if let Ok(true) = timeout(SIGN, log.longer(written)).await {
                sleep(BATCH).await;
            }
        }
    }

    /// The events after `after`, of the newest attempt; `None` when nobody makes this answer, or
    /// Redis has just been emptied.
    pub(crate) async fn after(
        &self,
        user: Uuid,
        turn: Uuid,
        after: Option<EventId>,
    ) -> Result<Option<Vec<(EventId, TurnEvent)>>, Error> {
        let key = stream(turn);
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut both = pipe();
        both.cmd("EXISTS").arg(&key);
        both.cmd("XRANGE").arg(&key).arg(from).arg("+");
        let (exists, entries): (bool, Vec<Entry>) = self.redis.pipeline(&both).await?;
        if !exists {
            return Ok(None);
        }
        let events = entries.into_iter().filter_map(|(id, fields)| {
            let id = id.parse().ok()?;
            let (_, sealed) = fields.into_iter().next()?;
            Some((id, self.sealer.open(user, turn, id, &sealed)?))
        });
        Ok(Some(events.collect()))
    }

    /// Asks whoever makes this answer to stop.
    pub(crate) async fn cancel(&self, turn: Uuid) -> Result<(), Error> {
        let life = u64::try_from(CANCEL.as_millis()).unwrap_or(u64::MAX);
        let mut set = cmd("SET");
        set.arg(cancel(turn)).arg(1).arg("PX").arg(life);
        self.redis.query(&set).await
    }
}

fn stream(turn: Uuid) -> String {
    format!("{KEY_PREFIX}turn:{turn}")
}

fn cancel(turn: Uuid) -> String {
    format!("{KEY_PREFIX}turn:{turn}:cancel")
}
