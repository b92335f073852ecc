//! Brings what is stored into the document store, and keeps the two alike.
//!
//! An event names a message; the message is read from the relational store and written with its own id,
//! so that handling an event again changes nothing. A message that is not there was deleted: its
//! document is removed, and stays so whoever read the message before and writes it later.

mod pages;
mod rebuild;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chatbot_contract::events::{Event, Kind};
use chatbot_runtime::events::Handler;
use chatbot_runtime::metrics::Metrics;
use chatbot_runtime::telemetry;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use uuid::Uuid;

use crate::documents::{self, Documents, Position, Retention, Transcript};
use crate::store;
use crate::store::source::Source;

pub use rebuild::Rebuilt;
pub use verify::{Difference, Verified};

/// Messages that are in memory at once.
const PAGE: u16 = 100;

/// Least time between two computations of numbers.
const COMPUTE: Duration = Duration::from_secs(5);

/// How often its own length a computation is rested from: a day's transcripts are counted anew each time, which takes the
/// longer the more there are, and shall not take more than this part of the store's time.
const REST: u32 = 20;

/// Time between two removals of what has expired.
const EXPIRE: Duration = Duration::from_secs(600);

/// Time between two attempts to prepare the document store.
const AGAIN: Duration = Duration::from_secs(1);

/// Bounds of the time from a message to its transcript, in seconds: from a relay's batch to an outage.
const DELAYS: [f64; 12] = [
    0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// Why the archive is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The relational store failed.
    #[error("failed to read what is to be archived")]
    Source(#[from] store::Error),
    /// The document store failed.
    #[error("failed to read or write the archive")]
    Documents(#[from] documents::Error),
}

/// The archive of one process. Clones share its numbers.
#[derive(Clone)]
pub struct Archive<S, D> {
    source: S,
    documents: D,
    retention: Retention,
    numbers: Numbers,
}

/// Numbers of what was done.
#[derive(Clone)]
struct Numbers {
    written: Counter,
    removed: Counter,
    delay: Histogram,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            written: Counter::default(),
            removed: Counter::default(),
            delay: Histogram::new(DELAYS),
        }
    }
}

impl<S: Source, D: Documents> Archive<S, D> {
    /// Makes the archive.
    pub fn new(source: S, documents: D, retention: Retention) -> Self {
        Self {
            source,
            documents,
            retention,
            numbers: Numbers::default(),
        }
    }

    /// The document store.
    pub const fn documents(&self) -> &D {
        &self.documents
    }

    /// Registers its metrics.
    #[must_use]
    pub fn measured(self, metrics: &Metrics) -> Self {
        metrics.register(|registry| {
            registry.register(
                "archive_written",
                "Transcripts written to the document store; what is written again counts again",
                self.numbers.written.clone(),
            );
            registry.register(
                "archive_removed",
                "Deleted messages and conversations removed from the document store; what is removed again counts \
                 again",
                self.numbers.removed.clone(),
            );
            registry.register(
                "archive_delay_seconds",
                "Time from a message to its transcript, of messages that were told; what is told again counts again",
                self.numbers.delay.clone(),
            );
        });
        self
    }

    /// Prepares the document store, however long it takes until it is there.
    pub async fn prepare(&self) {
        while let Err(error) = self.documents.prepare().await {
            // How the document store is stands in the report.
            tracing::debug!(
                error = telemetry::chain(&error),
                "the document store is not prepared"
            );
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Makes an archive that is empty from what is stored: one that is new beside conversations.
    ///
    /// # Errors
    /// Fails when one of the stores fails.
    pub async fn begin(&self) -> Result<(), Error> {
        if self.documents.after(Position::START, 1).await?.is_empty() {
            self.rebuild(|_| ()).await?;
        }
        Ok(())
    }

    /// Keeps numbers fresh and removes what has expired, for ever.
    pub async fn keep(&self) {
        let mut rest = Duration::ZERO;
        let mut expired: Option<Instant> = None;
        loop {
            tokio::time::sleep(rest).await;
            let began = Instant::now();
            let now = Timestamp::now();
            let computed = self.documents.compute(self.retention.whole_since(now));
            rest = COMPUTE;
            if let Err(error) = computed.await {
                tracing::debug!(
                    error = telemetry::chain(&error),
                    "the archive's numbers are not computed"
                );
                continue;
            }
            rest = rest.max(began.elapsed() * REST);
            if expired.is_some_and(|at| at.elapsed() < EXPIRE) {
                continue;
            }
            match self.documents.expire(now).await {
                Ok(()) => expired = Some(Instant::now()),
                Err(error) => tracing::debug!(
                    error = telemetry::chain(&error),
                    "what has expired is not removed"
                ),
            }
        }
    }

    /// Writes what is kept of these.
    async fn write(&self, mut transcripts: Vec<Transcript>) -> Result<(), Error> {
        let now = Timestamp::now();
        transcripts.retain(|transcript| self.kept(transcript, now));
        self.documents.put(&transcripts, self.retention).await?;
        self.numbers
            .written
            .inc_by(u64::try_from(transcripts.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Notes how long messages of these times, in milliseconds since 1970, took to get here.
    fn note_delays(&self, created: &[i64]) {
        let now = Timestamp::now().as_millisecond();
        for created in created {
            // The clock of another process may be ahead.
            let delay = u64::try_from(now.saturating_sub(*created)).unwrap_or_default();
            let delay = Duration::from_millis(delay);
            self.numbers.delay.observe(delay.as_secs_f64());
        }
    }

    /// Removes messages that were deleted.
    async fn remove(&self, messages: &BTreeMap<Position, Uuid>) -> Result<(), Error> {
        let mut of: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for (position, message) in messages {
            of.entry(position.conversation).or_default().push(*message);
        }
        for (conversation, messages) in of {
            let now = Timestamp::now();
            self.documents.remove(conversation, &messages, now).await?;
            self.numbers
                .removed
                .inc_by(u64::try_from(messages.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn kept(&self, transcript: &Transcript, now: Timestamp) -> bool {
        !self.retention.expired(transcript.message.created_at, now)
    }
}

impl<S: Source, D: Documents> Handler for Archive<S, D> {
    type Item = Event;
    type Error = Error;

    async fn handle(&self, events: &[Event]) -> Result<(), Error> {
        for events in events.chunks(usize::from(PAGE)) {
            let mut messages = BTreeMap::new();
            let mut deleted = BTreeSet::new();
            for event in events {
                let position = Position {
                    conversation: event.conversation_id,
                    seq: event.seq,
                };
                match &event.kind {
                    Kind::MessageCreated { message_id, .. }
                    | Kind::AnswerCreated { message_id, .. } => {
                        messages.insert(position, *message_id);
                    }
                    Kind::ConversationDeleted {} => {
                        deleted.insert(event.conversation_id);
                    }
                }
            }
            let places: Vec<_> = messages.keys().copied().collect();
            let found = self.source.at(&places).await?;
            for transcript in &found {
                messages.remove(&transcript.position());
            }
            let created: Vec<_> = found.iter().map(|of| of.message.created_at).collect();
            self.write(found).await?;
            self.note_delays(&created);
            self.remove(&messages).await?;
            for conversation in deleted {
                let now = Timestamp::now();
                self.documents
                    .remove_conversation(conversation, now)
                    .await?;
                self.numbers.removed.inc();
            }
        }
        Ok(())
    }
}
