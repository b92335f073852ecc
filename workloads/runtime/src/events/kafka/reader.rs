//! Reads every partition of a topic, in a thread of its own.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

use super::health::Seen;
use super::{Entry, Record};

/// How long a question to the broker may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How long to wait for a record before looking at the rest.
const POLL: Duration = Duration::from_millis(100);

/// Time between two looks for partitions that were added.
const PARTITIONS: Duration = Duration::from_secs(60);

/// Time between two attempts while the topic cannot be read.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) struct Reader {
    pub(super) consumer: ClientConfig,
    pub(super) topic: String,
    pub(super) seen: Seen,
    pub(super) entries: mpsc::Sender<Entry>,
}

impl Reader {
    /// Reads until nobody takes the entries; says when the first position is known.
    pub(super) fn run(self, positioned: oneshot::Sender<()>) {
        let mut positioned = Some(positioned);
        let mut consumer: Option<BaseConsumer<Seen>> = None;
        let mut known = 0;
        let mut looked = Instant::now();
        while !self.entries.is_closed() {
            let Some(consumer) = &consumer else {
                match self.consumer.create_with_context(self.seen.clone()) {
                    Ok(made) => consumer = Some(made),
                    Err(error) => self.rest(&error),
                }
                continue;
            };
            if known == 0 || looked.elapsed() > PARTITIONS {
                looked = Instant::now();
                match self.assign(consumer, known) {
                    Ok(found) => known = found,
                    // What is assigned already is read on.
                    Err(error) => self.rest(&error),
                }
                if known == 0 {
                    continue;
                }
                if let Some(positioned) = positioned.take() {
                    let _ = positioned.send(());
                }
            }
            let message = match consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => message,
                // The client connects again by itself, and goes on where it was.
                Some(Err(error)) => {
                    tracing::debug!(error = error.to_string(), "reading from Kafka");
                    continue;
                }
            };
            if self.entries.blocking_send(entry(&message)).is_err() {
                return;
            }
        }
    }

    /// Assigns the partitions that are not known yet: at first from their ends, later ones whole.
    fn assign(&self, consumer: &BaseConsumer<Seen>, known: i32) -> KafkaResult<i32> {
        let metadata = consumer.fetch_metadata(Some(&self.topic), LIMIT)?;
        let topic = metadata.topics().first();
        if let Some(error) = topic.and_then(|topic| topic.error()) {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        let found = topic.map_or(0, |topic| topic.partitions().len());
        let found = i32::try_from(found).unwrap_or(i32::MAX);
        if found <= known {
            return Ok(known);
        }
        let mut fresh = TopicPartitionList::new();
        for partition in known..found {
            let offset = if known == 0 {
                let (_, end) = consumer.fetch_watermarks(&self.topic, partition, LIMIT)?;
                Offset::Offset(end)
            } else {
                Offset::Beginning
            };
            fresh.add_partition_offset(&self.topic, partition, offset)?;
        }
        consumer.incremental_assign(&fresh)?;
        Ok(found)
    }

    fn rest(&self, error: &KafkaError) {
        tracing::debug!(
            error = error.to_string(),
            topic = self.topic,
            "the topic cannot be read yet"
        );
        std::thread::sleep(AGAIN);
    }
}

/// A message as the port gives it.
pub(super) fn entry(message: &BorrowedMessage<'_>) -> Entry {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| {
                let value = header.value.unwrap_or_default();
                (
                    header.key.to_owned(),
                    String::from_utf8_lossy(value).into_owned(),
                )
            })
            .collect()
    });
    Entry {
        record: Record {
            key: message.key().unwrap_or_default().to_owned(),
            payload: message.payload().unwrap_or_default().to_owned(),
            headers,
        },
        origin: format!("{}/{}", message.partition(), message.offset()),
    }
}
