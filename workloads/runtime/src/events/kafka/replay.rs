//! Puts dead letters back where they came from.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chatbot_contract::events::{Group, Topic, dead};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::health::Seen;
use super::reader::entry;
use super::{Entry, Error, EventLog as _, KafkaLog, Record};

/// How long a question to the broker may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records put back.
    pub back: usize,
    /// Dead letters of a record that was put back already.
    pub copies: usize,
}

/// Dead letters that wait, and the place after the last of them.
struct Waiting {
    consumer: BaseConsumer<Seen>,
    entries: Vec<Entry>,
    after: TopicPartitionList,
}

impl KafkaLog {
    /// Appends every dead letter since the last replay to the topic of events again; those that
    /// arrive meanwhile wait for the next one.
    ///
    /// # Errors
    /// Fails when Kafka cannot be reached in time, or takes a record back no more; a replay that is
    /// run again begins where the last complete one ended.
    pub async fn replay_dead_letters(&self) -> Result<Replayed, Error> {
        let topic = self.topic(Topic::DeadLetters);
        let failed = |source| Error::Read {
            topic: topic.clone(),
            source,
        };
        let log = self.clone();
        let Waiting {
            consumer,
            entries,
            after,
        } = tokio::task::spawn_blocking(move || log.waiting())
            .await
            .map_err(|_| Error::Ended)?
            .map_err(failed)?;
        let mut seen = HashSet::new();
        let mut replayed = Replayed::default();
        let mut back = Vec::new();
        for Entry { record, origin } in entries {
            let of = record.headers.iter().find(|(name, _)| name == dead::ORIGIN);
            if seen.insert(of.map_or(origin, |(_, value)| value.clone())) {
                replayed.back += 1;
                back.push(Record {
                    headers: Vec::new(),
                    ..record
                });
            } else {
                replayed.copies += 1;
            }
        }
        for result in self.append(Topic::Events, back).await {
            result?;
        }
        tokio::task::spawn_blocking(move || {
            if after.count() == 0 {
                return Ok(());
            }
            consumer.commit(&after, CommitMode::Sync)
        })
        .await
        .map_err(|_| Error::Ended)?
        .map_err(failed)?;
        Ok(replayed)
    }

    /// Reads from where the last replay ended to the end that is found now.
    fn waiting(&self) -> KafkaResult<Waiting> {
        let topic = self.topic(Topic::DeadLetters);
        let group = Group::Replay.name(&self.inner.settings.topic_prefix);
        let consumer: BaseConsumer<Seen> = self
            .client()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .create_with_context(self.inner.seen.clone())?;
        let metadata = consumer.fetch_metadata(Some(&topic), LIMIT)?;
        let mut asked = TopicPartitionList::new();
        for partition in metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
        {
            asked.add_partition(&topic, partition.id());
        }
        let committed = consumer.committed_offsets(asked, LIMIT)?;
        let (mut from, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
        for element in committed.elements() {
            let partition = element.partition();
            let (low, end) = consumer.fetch_watermarks(&topic, partition, LIMIT)?;
            let start = match element.offset() {
                Offset::Offset(offset) => offset.max(low),
                _ => low,
            };
            if start < end {
                from.add_partition_offset(&topic, partition, Offset::Offset(start))?;
                ends.insert(partition, end);
            }
        }
        let mut after = TopicPartitionList::new();
        for (partition, end) in &ends {
            after.add_partition_offset(&topic, *partition, Offset::Offset(*end))?;
        }
        let mut entries = Vec::new();
        if !ends.is_empty() {
            consumer.assign(&from)?;
        }
        while !ends.is_empty() {
            let message = consumer
                .poll(LIMIT)
                .ok_or(KafkaError::NoMessageReceived)??;
            if ends
                .get(&message.partition())
                .is_some_and(|end| message.offset() < *end)
            {
                entries.push(entry(&message));
            }
            if ends
                .get(&message.partition())
                .is_some_and(|end| message.offset() + 1 >= *end)
            {
                ends.remove(&message.partition());
            }
        }
        Ok(Waiting {
            consumer,
            entries,
            after,
        })
    }
}
