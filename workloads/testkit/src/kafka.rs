//! A real Kafka node for tests: broker and controller in one, from the jars of a root filesystem.
//!
//! The folder of that root filesystem stands in [`ROOT`]; a missing one fails the test with a
//! sentence that says how to get it. A data folder is formatted once and kept beside the program;
//! each node starts on a copy of it. A node dies with the value that stands for it, and with the
//! process that started it, however that process ends.

mod node;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::Mutex;

use crate::certificates::Certificate;

/// Environment variable with the folder of the root filesystem that holds Java and Kafka 4.4.
pub const ROOT: &str = "CHATBOT_TEST_KAFKA_ROOT";

/// The user that may do everything.
pub const USER: &str = "chatbot";

/// A user without any right.
pub const STRANGER: &str = "stranger";

/// The password of both.
pub const PASSWORD: &str = "testkit-password";

/// How long a node may take to answer.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long one question may take.
const ASK: Duration = Duration::from_secs(10);

/// Why there is no Kafka to test with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said where Kafka is.
    #[error(
        "{ROOT} is not set: these tests run against a real Kafka; set it to the folder that \
         `dev-cluster/images rootfs` makes of images/stand-ins/kafka (`make test` does so)"
    )]
    NoRoot,
    /// The folder holds no Kafka.
    #[error("there is no opt/kafka/libs in {}, which {ROOT} names", .0.display())]
    NoProgram(PathBuf),
    /// A program could not be run.
    #[error("failed to run {0}")]
    Run(&'static str, #[source] std::io::Error),
    /// The data folder could not be formatted.
    #[error("the data folder was not formatted: {0}")]
    Format(String),
    /// The node ended, or did not answer in time.
    #[error("Kafka did not start; the end of its log: {0}")]
    NotStarted(String),
    /// A question failed.
    #[error("Kafka did not answer a test")]
    Ask(#[from] KafkaError),
}

/// A running node. It is killed when the value is dropped.
pub struct Kafka {
    node: node::Node,
}

/// A record as it stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Partition.
    pub partition: i32,
    /// Place in the partition.
    pub offset: i64,
    /// Key.
    pub key: Vec<u8>,
    /// Content.
    pub payload: Vec<u8>,
    /// Headers with text.
    pub headers: Vec<(String, String)>,
}

impl Kafka {
    /// Gives the node that all tests of this process share, and starts it where it does not run.
    ///
    /// # Errors
    /// Fails when there is no Kafka to run, or when it does not start.
    pub async fn shared() -> Result<Arc<Self>, Error> {
        static SHARED: Mutex<Weak<Kafka>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Starts a node of its own.
    ///
    /// # Errors
    /// Fails when there is no Kafka to run, or when it does not start.
    pub async fn start() -> Result<Self, Error> {
        Self::start_node(None).await
    }

    /// Starts a node of its own that also speaks TLS, at another port.
    ///
    /// # Errors
    /// Fails when there is no Kafka to run, or when it does not start.
    pub async fn start_with_tls(certificate: &Certificate) -> Result<Self, Error> {
        Self::start_node(Some(certificate)).await
    }

    async fn start_node(certificate: Option<&Certificate>) -> Result<Self, Error> {
        let kafka = Self {
            node: node::Node::start(root()?, certificate).await?,
        };
        kafka.wait_until_it_answers().await?;
        Ok(kafka)
    }

    /// The port on 127.0.0.1 where it speaks TLS.
    ///
    /// # Panics
    /// When it was started without.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.node.tls_port.expect("it speaks TLS")
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.node.port)
    }

    /// Kills the node as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        self.node.stop();
    }

    /// Starts a killed node again, with its data and its ports.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub async fn start_again(&self) -> Result<(), Error> {
        self.node.spawn()?;
        self.wait_until_it_answers().await
    }

    /// Everything that stands in a topic now, in order within each partition.
    ///
    /// # Errors
    /// Fails when the node does not answer, or there is no such topic.
    pub async fn records(&self, topic: &str) -> Result<Vec<Record>, Error> {
        // A topic that was made just now has partitions before it has leaders.
        self.wait_until_it_answers().await?;
        let (client, topic) = (self.client(), topic.to_owned());
        blocking(move || read(&client, &topic)).await
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.address())
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", USER)
            .set("sasl.password", PASSWORD)
            .set("group.id", "testkit")
            .set("enable.auto.commit", "false");
        client
    }

    async fn wait_until_it_answers(&self) -> Result<(), Error> {
        let answers = async {
            loop {
                let client = self.client();
                let asked = blocking(move || {
                    let consumer: BaseConsumer = client.create()?;
                    let limit = Duration::from_secs(1);
                    let metadata = consumer.fetch_metadata(None, limit)?;
                    // A node knows its topics before it leads their partitions.
                    for topic in metadata.topics() {
                        for partition in topic.partitions() {
                            consumer.fetch_watermarks(topic.name(), partition.id(), limit)?;
                        }
                    }
                    Ok(())
                });
                match asked.await {
                    Ok(()) => return Ok(()),
                    Err(_) if self.node.ended() => {
                        return Err(Error::NotStarted(self.node.log()));
                    }
                    // There is nothing to be told by: a closed port is asked again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        tokio::time::timeout(START_LIMIT, answers)
            .await
            .unwrap_or_else(|_| Err(Error::NotStarted(self.node.log())))
    }
}

/// The client's calls block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Error::Run("Kafka's client", std::io::Error::other(panic)))?
}

fn read(client: &ClientConfig, topic: &str) -> Result<Vec<Record>, Error> {
    let consumer: BaseConsumer = client.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let mut from = TopicPartitionList::new();
    let mut missing = 0;
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), ASK)?;
        missing += high - low;
        from.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&from)?;
    let mut records = Vec::new();
    while missing > 0 {
        let message = consumer.poll(ASK).ok_or(KafkaError::NoMessageReceived)??;
        missing -= 1;
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| {
                    let value = String::from_utf8_lossy(header.value.unwrap_or_default());
                    (header.key.to_owned(), value.into_owned())
                })
                .collect()
        });
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap_or_default().to_owned(),
            payload: message.payload().unwrap_or_default().to_owned(),
            headers,
        });
    }
    Ok(records)
}

fn root() -> Result<PathBuf, Error> {
    let root = std::env::var_os(ROOT)
        .filter(|value| !value.is_empty())
        .ok_or(Error::NoRoot)?;
    let root = PathBuf::from(root);
    if root.join("opt/kafka/libs").exists() {
        Ok(root)
    } else {
        Err(Error::NoProgram(root))
    }
}
