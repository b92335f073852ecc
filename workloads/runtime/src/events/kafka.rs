//! The log of events on Kafka.
//!
//! The producer is idempotent and waits for all in-sync replicas (`acks=all`), and a record has no
//! time limit: while no broker can be reached, records wait in the producer, in order, and go out
//! in that order. Following needs no consumer group: each process reads every partition, from the
//! end that it found when it began. What keeps its place does so in a group of the broker's.

mod config;
mod health;
mod member;
mod reader;
mod replay;
mod topics;

use std::sync::{Arc, Mutex, PoisonError};

use chatbot_contract::environment;
use chatbot_contract::events::{Group, Topic};
use futures::future::{BoxFuture, join_all};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio::sync::{mpsc, oneshot};

use super::{Batch, Entry, Error, EventLog, Record};
use crate::config::ConfigError;

pub use config::{Config, Mechanism, Settings};
use health::Seen;
pub use replay::Replayed;

/// Entries that wait for the one who follows; the reader waits with the next one.
const WAITING: usize = 1_000;

/// The log on Kafka. Clones share the producer.
#[derive(Clone)]
pub struct KafkaLog {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    seen: Seen,
    producer: Mutex<FutureProducer<Seen>>,
}

impl KafkaLog {
    /// Makes the log; nothing is connected yet.
    ///
    /// # Errors
    /// Fails when a setting cannot be used.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let seen = Seen::default();
        let producer = producer(&settings, &seen).map_err(|error| {
            ConfigError::invalid(environment::KAFKA_BOOTSTRAP_SERVERS, error.to_string())
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                seen,
                producer: Mutex::new(producer),
            }),
        })
    }

    /// The topic's name at the broker.
    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        topic.name(&self.inner.settings.topic_prefix)
    }

    fn client(&self) -> ClientConfig {
        self.inner.settings.client()
    }

    fn producer(&self) -> FutureProducer<Seen> {
        self.inner
            .producer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn send(&self, topic: &str, records: &[Record]) -> Vec<Result<(), Error>> {
        let refused = |source| Error::Refused {
            topic: topic.to_owned(),
            source,
        };
        let producer = self.producer();
        let sent: Vec<_> = records
            .iter()
            .map(|record| {
                let record_out = FutureRecord::to(topic)
                    .key(&record.key)
                    .payload(&record.payload)
                    .headers(headers(&record.headers));
                producer.send_result(record_out).map_err(|(error, _)| error)
            })
            .collect();
        let results = join_all(sent.into_iter().map(|sent| async {
            match sent {
                Err(error) => Err(refused(error)),
                Ok(delivery) => match delivery.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err((error, _))) => Err(refused(error)),
                    Err(_) => Err(Error::Ended),
                },
            }
        }))
        .await;
        self.inner.seen.appended(&results);
        self.replace_if_dead(&producer);
        results
    }

    /// An idempotent producer ends for good when the broker lost its state; another one goes on.
    fn replace_if_dead(&self, used: &FutureProducer<Seen>) {
        let Some((_, reason)) = used.client().fatal_error() else {
            return;
        };
        let mut current = self
            .inner
            .producer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if current.client().fatal_error().is_none() {
            return;
        }
        match producer(&self.inner.settings, &self.inner.seen) {
            Ok(fresh) => {
                tracing::warn!(reason, "the Kafka producer had ended, and was made anew");
                *current = fresh;
            }
            Err(error) => {
                tracing::error!(
                    error = error.to_string(),
                    "the Kafka producer cannot be made anew"
                );
            }
        }
    }
}

impl EventLog for KafkaLog {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Vec<Result<(), Error>>> {
        async move { self.send(&self.topic(topic), &records).await }.boxed()
    }

    fn follow(&self, topic: Topic) -> BoxFuture<'_, BoxStream<'static, Entry>> {
        async move {
            let (sender, mut receiver) = mpsc::channel(WAITING);
            let (positioned, position) = oneshot::channel();
            let settings = &self.inner.settings;
            // Assigning needs the name of a group; nothing is ever committed in it.
            let group = Group::Readers.name(&settings.topic_prefix);
            let reader = reader::Reader {
                consumer: settings.consumer(&group),
                topic: self.topic(topic),
                seen: self.inner.seen.clone(),
                entries: sender,
            };
            // The consumer's calls block. The thread ends when nobody takes its entries.
            std::thread::Builder::new()
                .name("kafka-reader".to_owned())
                .spawn(move || reader.run(positioned))
                .expect("a thread can be started");
            // The thread ends early only when the process has no use for it any more.
            let _ = position.await;
            stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
        }
        .boxed()
    }

    fn take_part(
        &self,
        topic: Topic,
        group: Group,
        lag: Box<dyn Fn(i64) + Send + Sync>,
    ) -> BoxStream<'static, Batch> {
        let group = group.name(&self.inner.settings.topic_prefix);
        let member = member::Member {
            consumer: self.inner.settings.consumer(&group),
            group,
            topic: self.topic(topic),
            seen: self.inner.seen.clone(),
            lag,
        };
        member.batches()
    }
}

fn producer(settings: &Settings, seen: &Seen) -> Result<FutureProducer<Seen>, KafkaError> {
    settings
        .client()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // None: a record that were given up could be overtaken by the next one.
        .set("message.timeout.ms", "0")
        .set("linger.ms", "5")
        .create_with_context(seen.clone())
}

fn headers(headers: &[(String, String)]) -> OwnedHeaders {
    headers
        .iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header {
                key,
                value: Some(value),
            })
        })
}
