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
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::documents::{self, Documents, Position, Retention, Transcript};
use crate::store;
use crate::store::source::Source;

pub use rebuild::Rebuilt;
pub use verify::{Difference, Verified};

/// Messages that are in memory at once.
const PAGE: u16 = 100;

/// Time between two computations of numbers.
const COMPUTE: Duration = Duration::from_secs(5);

/// Time between two removals of what has expired.
const EXPIRE: Duration = Duration::from_secs(600);

/// Time between two attempts to prepare the document store.
const AGAIN: Duration = Duration::from_secs(1);

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
#[derive(Clone, Default)]
struct Numbers {
    written: Counter,
    removed: Counter,
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
        let mut ticks = interval(COMPUTE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut expired: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let now = Timestamp::now();
            let computed = self.documents.compute(self.retention.whole_since(now));
            if let Err(error) = computed.await {
                tracing::debug!(
                    error = telemetry::chain(&error),
                    "the archive's numbers are not computed"
                );
                continue;
            }
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
            self.write(found).await?;
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
