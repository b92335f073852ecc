//! The log of events as a port: workloads append records to it and follow it.
//!
//! Two adapters: [`KafkaLog`], and [`InProcessLog`] for a process that holds every workload. Both
//! keep the records of one key in the order in which they were appended, and may give a record
//! more than once: consumers know an event by its id ([`chatbot_contract::events::Event::id`]).

mod consume;
mod durable;
mod in_process;
mod kafka;

use chatbot_contract::events::{Group, Topic};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::oneshot;

pub use consume::{Consumed, consume};
pub(crate) use durable::DurableNumbers;
pub use durable::{Durable, Handler, Payload};
pub use in_process::InProcessLog;
pub use kafka::{Config as KafkaConfig, KafkaLog, Mechanism, Replayed, Settings as KafkaSettings};

/// What is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Records of one key stay in order.
    pub key: Vec<u8>,
    /// The content.
    pub payload: Vec<u8>,
    /// What belongs to it and is not content.
    pub headers: Vec<(String, String)>,
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// Where it stands, `partition/offset`.
    pub origin: String,
}

/// Why a record was not appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The broker refuses it, and would again.
    #[error("Kafka did not take a record of the topic {topic}")]
    Refused {
        /// The topic's name.
        topic: String,
        /// Why.
        source: rdkafka::error::KafkaError,
    },
    /// The client ended before the broker answered, or a consumer that keeps its place did.
    #[error("the log of events ended before a record was acknowledged")]
    Ended,
    /// The log cannot be read.
    #[error("failed to read the topic {topic}")]
    Read {
        /// The topic's name.
        topic: String,
        /// Why.
        source: rdkafka::error::KafkaError,
    },
}

/// Records that one group has to handle next.
#[must_use = "what is not acknowledged is given again"]
pub struct Batch {
    /// In order for each key.
    pub entries: Vec<Entry>,
    handled: oneshot::Sender<()>,
}

impl Batch {
    /// Makes a batch, and what comes true when it is handled, or fails when it is given up.
    fn new(entries: Vec<Entry>) -> (Self, oneshot::Receiver<()>) {
        let (handled, acknowledged) = oneshot::channel();
        (Self { entries, handled }, acknowledged)
    }

    /// Moves the group's place behind these records. A batch that is dropped is given again, to
    /// this process or to the next one.
    pub fn acknowledge(self) {
        // Whoever kept the place may be gone: then the records are given again.
        let _ = self.handled.send(());
    }
}

/// The log of events.
pub trait EventLog: Send + Sync + 'static {
    /// Appends records in order, and ends when each is kept durably or was refused. While the log
    /// cannot be reached it waits: what was appended before is never overtaken.
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Vec<Result<(), Error>>>;

    /// Follows a topic: once this ends, the stream gives every record appended from then on. It
    /// waits while the log cannot be reached, and the stream does the same.
    fn follow(&self, topic: Topic) -> BoxFuture<'_, BoxStream<'static, Entry>>;

    /// Takes part in a group that keeps its place: from now on each record is given to one member
    /// until it is acknowledged, in order for each key, beginning with the oldest record there is.
    /// The next batch comes after the one before was acknowledged. `lag` is told from time to time
    /// how many records this member has yet to handle.
    fn take_part(
        &self,
        topic: Topic,
        group: Group,
        lag: Box<dyn Fn(i64) + Send + Sync>,
    ) -> BoxStream<'static, Batch>;
}
