//! Makes the topics where they are missing and the account may.

use std::time::Duration;

use chatbot_contract::events::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

use super::KafkaLog;
use super::health::Seen;

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Time between two attempts.
const AGAIN: Duration = Duration::from_secs(2);

/// The broker's own number of replicas.
const REPLICATION: TopicReplication<'_> = TopicReplication::Fixed(-1);

impl KafkaLog {
    /// Waits until these topics are there, and makes those that are missing.
    pub async fn make_topics(&self, topics: &[Topic]) {
        loop {
            match self.try_to_make_topics(topics).await {
                Ok(()) => {
                    self.inner.seen.topics(None);
                    return;
                }
                Err(problem) => self.inner.seen.topics(problem),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The error is a sentence where an administrator must act, and nothing where Kafka is away.
    async fn try_to_make_topics(&self, topics: &[Topic]) -> Result<(), Option<String>> {
        let admin: AdminClient<Seen> = self
            .client()
            .create_with_context(self.inner.seen.clone())
            .map_err(|error: KafkaError| Some(error.to_string()))?;
        let names: Vec<String> = topics.iter().map(|topic| self.topic(*topic)).collect();
        let kept: Vec<Option<String>> = topics
            .iter()
            .map(|topic| Some(topic.retention()?.as_millis().to_string()))
            .collect();
        let wanted = topics
            .iter()
            .zip(names.iter().zip(&kept))
            .map(|(topic, (name, kept))| {
                let new = NewTopic::new(name, topic.partitions(), REPLICATION);
                match kept {
                    Some(milliseconds) => new.set("retention.ms", milliseconds),
                    None => new,
                }
            });
        let wanted: Vec<NewTopic<'_>> = wanted.collect();
        let options = AdminOptions::new()
            .request_timeout(Some(LIMIT))
            .operation_timeout(Some(LIMIT));
        let made = admin
            .create_topics(&wanted, &options)
            .await
            .map_err(|_| None)?;
        for (topic, error) in made.into_iter().filter_map(Result::err) {
            match error {
                RDKafkaErrorCode::TopicAlreadyExists => {}
                // Somebody else may make the topics, and has done so.
                _ if self.is_there(&topic).await => {}
                RDKafkaErrorCode::RequestTimedOut | RDKafkaErrorCode::OperationTimedOut => {
                    return Err(None);
                }
                error => {
                    let missing = topics.iter().zip(&names).find(|(_, name)| **name == topic);
                    let partitions = missing.map_or(1, |(missing, _)| missing.partitions());
                    return Err(Some(format!(
                        "the topic {topic} does not exist and cannot be made ({error}): create it with \
                         {partitions} partitions, or give the user the right to"
                    )));
                }
            }
        }
        Ok(())
    }

    async fn is_there(&self, topic: &str) -> bool {
        let (log, topic) = (self.clone(), topic.to_owned());
        let looked = tokio::task::spawn_blocking(move || {
            let producer = log.producer();
            let metadata = producer.client().fetch_metadata(Some(&topic), LIMIT)?;
            let there = metadata
                .topics()
                .iter()
                .any(|found| found.error().is_none() && !found.partitions().is_empty());
            Ok::<_, KafkaError>(there)
        });
        matches!(looked.await, Ok(Ok(true)))
    }
}
