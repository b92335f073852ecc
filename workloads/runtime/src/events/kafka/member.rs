//! A member of a consumer group at the broker.
//!
//! Places are committed after the effect. While records are handled the member goes on to poll, so
//! that it is not taken for dead however long that lasts, and partitions can move meanwhile; what it
//! reads ahead is bounded. Whoever gets a moved partition handles again what was not committed.

use std::collections::BTreeMap;
use std::ops::Deref;

use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::{mpsc, oneshot};

use super::health::Seen;
use super::reader::entry;
use super::{Batch, Entry};

/// Most records of a batch.
const BATCH: usize = 500;

/// Most records that are read ahead of the batch that is being handled.
const AHEAD: usize = 500;

pub(super) struct Member {
    pub(super) consumer: ClientConfig,
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) seen: Seen,
    pub(super) lag: Box<dyn Fn(i64) + Send + Sync>,
}

/// What the consumer tells, and to whom.
struct Told {
    seen: Seen,
    topic: String,
    lag: Box<dyn Fn(i64) + Send + Sync>,
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.seen.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.seen.error(error, reason);
    }

    /// Comes once in `statistics.interval.ms`.
    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        let assigned = topic
            .partitions
            .values()
            .filter(|partition| partition.fetch_state == "active");
        let waiting = assigned.map(|partition| {
            // Negative where nothing was committed, or nothing is known yet.
            let from = partition.committed_offset.max(partition.lo_offset).max(0);
            (partition.hi_offset - from).max(0)
        });
        (self.lag)(waiting.sum());
    }
}

impl ConsumerContext for Told {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(
                error = error.to_string(),
                "a place was not committed; its records may be handled again"
            );
        }
    }
}

/// A consumer that leaves its group in a thread of its own when it is dropped: leaving blocks, and
/// does not end while no broker answers, which must hold up neither other tasks nor the process.
struct Joined(Option<StreamConsumer<Told>>);

impl Deref for Joined {
    type Target = StreamConsumer<Told>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("only the drop takes it out")
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let consumer = self.0.take();
        let leaving = std::thread::Builder::new()
            .name("kafka-leave".to_owned())
            .spawn(move || drop(consumer));
        if let Err(error) = leaving {
            tracing::warn!(error = error.to_string(), "the group was left in place");
        }
    }
}

/// A record and where the place is after it.
struct Read {
    partition: i32,
    next: i64,
    entry: Entry,
}

impl Member {
    /// Gives batches; the member leaves the group when nobody takes them any more.
    pub(super) fn batches(self) -> BoxStream<'static, Batch> {
        let (sender, mut receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let gone = sender.clone();
            tokio::select! {
                () = gone.closed() => {}
                () = self.run(sender) => {}
            }
        });
        stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
    }

    async fn run(self, batches: mpsc::Sender<Batch>) {
        let Self {
            mut consumer,
            group,
            topic,
            seen,
            lag,
        } = self;
        let told = Told {
            seen,
            topic: topic.clone(),
            lag,
        };
        let made: KafkaResult<StreamConsumer<Told>> = consumer
            .set("partition.assignment.strategy", "cooperative-sticky")
            // How long the partitions of a member that died wait; one that ends says so.
            .set("session.timeout.ms", "10000")
            .set("statistics.interval.ms", "5000")
            .create_with_context(told);
        let consumer = match made.and_then(|made| made.subscribe(&[&topic]).map(|()| made)) {
            Ok(consumer) => Joined(Some(consumer)),
            // Settings that a consumer was made with before: only memory or threads can be missing.
            Err(error) => {
                tracing::error!(
                    group,
                    error = error.to_string(),
                    "the consumer cannot be made"
                );
                return;
            }
        };
        let mut ahead = Vec::new();
        loop {
            let read = gather(&consumer, std::mem::take(&mut ahead)).await;
            let mut after = BTreeMap::new();
            let mut entries = Vec::with_capacity(read.len());
            for Read {
                partition,
                next,
                entry,
            } in read
            {
                after.insert(partition, next);
                entries.push(entry);
            }
            let (batch, acknowledged) = Batch::new(entries);
            if batches.send(batch).await.is_err() {
                return;
            }
            let Some(read) = until_acknowledged(&consumer, acknowledged).await else {
                return;
            };
            ahead = read;
            if let Err(error) = commit(&consumer, &topic, &after) {
                tracing::debug!(
                    group,
                    error = error.to_string(),
                    "a place was not committed; its records may be handled again"
                );
            }
        }
    }
}

/// Waits for the first record, and takes what is there with it.
async fn gather(consumer: &StreamConsumer<Told>, mut read: Vec<Read>) -> Vec<Read> {
    while read.is_empty() {
        read.extend(next(consumer).await);
    }
    while read.len() < BATCH {
        let Some(more) = next(consumer).now_or_never() else {
            break;
        };
        read.extend(more);
    }
    read
}

/// Goes on to poll; gives what was read ahead, or nothing when the batch was given up.
async fn until_acknowledged(
    consumer: &StreamConsumer<Told>,
    mut acknowledged: oneshot::Receiver<()>,
) -> Option<Vec<Read>> {
    let mut ahead = Vec::new();
    let mut paused = TopicPartitionList::new();
    let handled = loop {
        tokio::select! {
            handled = &mut acknowledged => break handled,
            read = next(consumer) => ahead.extend(read),
        }
        if ahead.len() >= AHEAD {
            // Partitions may have been added since: what is paused already stays so.
            if let Ok(assigned) = consumer.assignment()
                && consumer.pause(&assigned).is_ok()
            {
                paused = assigned;
            }
        }
    };
    if paused.count() > 0
        && let Ok(assigned) = consumer.assignment()
    {
        // One that has moved away is nobody's to resume here.
        let _ = consumer.resume(&assigned);
    }
    handled.ok().map(|()| ahead)
}

/// The next record; nothing after an error, from which the client goes on by itself.
///
/// Errors stand in one queue with what the group decides, hundreds of them while no broker answers:
/// whoever rests after each is given its partitions minutes late.
async fn next(consumer: &StreamConsumer<Told>) -> Option<Read> {
    match consumer.recv().await {
        Ok(message) => Some(Read {
            partition: message.partition(),
            next: message.offset() + 1,
            entry: entry(&message),
        }),
        Err(error) => {
            tracing::debug!(error = error.to_string(), "reading from Kafka");
            None
        }
    }
}

/// Moves the places of the partitions that are still this member's.
fn commit(
    consumer: &StreamConsumer<Told>,
    topic: &str,
    after: &BTreeMap<i32, i64>,
) -> KafkaResult<()> {
    let assigned = consumer.assignment()?;
    let mut places = TopicPartitionList::new();
    for (partition, next) in after {
        if assigned.find_partition(topic, *partition).is_some() {
            places.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
        }
    }
    if places.count() == 0 {
        return Ok(());
    }
    consumer.commit(&places, CommitMode::Async)
}
