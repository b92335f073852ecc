//! The Kafka agent: a quorum of empty volumes, lost volumes that are replaced, and rights of the workloads.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use chatbot_contract::events::TOPIC_PREFIX;
use chatbot_contract::{identity, kafka as contract, ports};
use chatbot_operator::agent::Told as _;
use chatbot_operator::kafka::facts::MemberFacts;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::ground::{Ground, TOKEN};

const ROOT: &str = "CHATBOT_TEST_KAFKA_ROOT";
const PASSWORD: &str = "0123456789abcdef";
/// A topic with a copy on each member.
const TOPIC: &str = "chatbot.test";
/// A question may wait for another leader.
const LIMIT: Duration = Duration::from_secs(60);

struct Members(Ground);

impl Deref for Members {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.0
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Ground {
        &mut self.0
    }
}

impl Members {
    /// Starts three agents on empty volumes, and waits until all are in step and the workloads are known.
    async fn start() -> Self {
        let mut values = vec![(identity::KAFKA_AGENT_TOKEN.to_owned(), TOKEN)];
        let passwords = contract::ACCOUNTS.map(identity::kafka_password);
        values.extend(passwords.map(|key| (key, PASSWORD)));
        let mut members = Self(Ground::new(ROOT, &values));
        for member in 0..3 {
            members.start_member(member);
        }
        members.whole().await;
        members
    }

    fn start_member(&mut self, member: usize) {
        let (own, all) = (self.address(member).to_string(), self.addresses());
        let arguments = ["--member", &own, "--members", &all, "--memory", "600000000"];
        self.0.start(member, "kafka-agent", &arguments);
    }

    async fn facts(&self, member: usize) -> Option<MemberFacts> {
        self.0.facts(member, ports::KAFKA_AGENT).await
    }

    /// Waits until all are in step, and gives the cluster's id.
    async fn whole(&self) -> String {
        self.until("all members are in step", async || {
            for member in 0..3 {
                if !self
                    .facts(member)
                    .await
                    .is_some_and(|facts| facts.in_step())
                {
                    return false;
                }
            }
            true
        })
        .await;
        let facts = self.facts(0).await.unwrap();
        facts.cluster.unwrap().id
    }

    /// The member that leads the quorum.
    async fn leader(&self) -> usize {
        let facts = self.facts(0).await.unwrap();
        let leader = facts.leader().unwrap();
        (0..3)
            .find(|member| self.address(*member).to_string() == leader)
            .unwrap()
    }

    fn client(&self, user: &str, password: &str) -> ClientConfig {
        let servers: Vec<String> = (0..3)
            .map(|member| format!("{}:{}", self.address(member), ports::KAFKA))
            .collect();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", servers.join(","))
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", contract::WORKLOAD_MECHANISM)
            .set("sasl.username", user)
            .set("sasl.password", password)
            .set("acks", "all")
            .set("group.id", format!("{TOPIC_PREFIX}.test"))
            .set("message.timeout.ms", LIMIT.as_millis().to_string());
        config
    }

    fn workload(&self) -> ClientConfig {
        self.client(contract::WORKLOAD_ACCOUNT, PASSWORD)
    }

    async fn make(&self, topic: &str) -> Result<(), RDKafkaErrorCode> {
        let admin: AdminClient<DefaultClientContext> = self.workload().create().unwrap();
        let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(3));
        let options = AdminOptions::new().operation_timeout(Some(LIMIT));
        let made = admin.create_topics([&topic], &options).await.unwrap();
        made.into_iter()
            .next()
            .unwrap()
            .map(|_| ())
            .map_err(|(_, code)| code)
    }

    /// Writes a record that a majority has when this returns.
    async fn write(&self, text: &str) {
        let producer: FutureProducer = self.workload().create().unwrap();
        let record = FutureRecord::<(), str>::to(TOPIC).payload(text);
        producer.send(record, LIMIT).await.unwrap();
    }

    /// Everything in the topic.
    async fn read(&self) -> Vec<String> {
        let config = self.workload();
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let (_, end) = consumer.fetch_watermarks(TOPIC, 0, LIMIT).unwrap();
            let mut from = TopicPartitionList::new();
            from.add_partition_offset(TOPIC, 0, Offset::Beginning)
                .unwrap();
            consumer.assign(&from).unwrap();
            (0..end)
                .map(|_| {
                    let record = consumer.poll(LIMIT).unwrap().unwrap();
                    String::from_utf8(record.payload().unwrap().to_vec()).unwrap()
                })
                .collect()
        })
        .await
        .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_outlives_killed_members_and_lost_volumes() {
    let mut members = Members::start().await;
    let cluster = members.whole().await;
    assert_eq!(members.make(TOPIC).await, Ok(()));
    members.write("one").await;

    // The leader of the quorum is killed; another leads, and it comes back with what it missed.
    let leader = members.leader().await;
    members.kill(leader);
    members.write("two").await;
    members.start_member(leader);
    members.whole().await;

    // A follower, and then the leader, are back on empty volumes: voters again, under other directories.
    for lost in [(members.leader().await + 1) % 3, members.leader().await] {
        let directory = members.facts(lost).await.unwrap().directory;
        members.kill(lost);
        members.empty_volume(lost);
        members.write("without").await;
        members.start_member(lost);
        members.whole().await;
        assert_ne!(members.facts(lost).await.unwrap().directory, directory);
    }

    // All are killed at once.
    for member in 0..3 {
        members.kill(member);
    }
    for member in 0..3 {
        members.start_member(member);
    }
    assert_eq!(members.whole().await, cluster);
    assert_eq!(members.read().await, ["one", "two", "without", "without"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_that_cannot_come_back_is_made_anew() {
    let mut members = Members::start().await;
    let cluster = members.whole().await;
    for member in 0..3 {
        members.kill(member);
    }
    members.empty_volume(1);
    members.empty_volume(2);
    // Two that remember nothing and no third: nobody knows whether the quorum can come back.
    members.start_member(1);
    members.start_member(2);
    members
        .until("the two wait for the third", async || {
            members.facts(1).await.is_some_and(|facts| {
                facts
                    .problem
                    .is_some_and(|text| text.contains("not every member"))
            })
        })
        .await;
    members.start_member(0);
    assert_ne!(members.whole().await, cluster);
    assert_eq!(members.make(TOPIC).await, Ok(()));
    members.write("again").await;
    assert_eq!(members.read().await, ["again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workloads_may_do_everything_with_their_own_names_and_nothing_else() {
    let members = Members::start().await;
    assert_eq!(members.make(TOPIC).await, Ok(()));
    let refused = members.make("elsewhere").await;
    assert_eq!(refused, Err(RDKafkaErrorCode::TopicAuthorizationFailed));
    for (user, password) in [(contract::WORKLOAD_ACCOUNT, "wrong"), ("nobody", PASSWORD)] {
        let mut config = members.client(user, password);
        config.set("message.timeout.ms", "5000");
        let producer: FutureProducer = config.create().unwrap();
        let record = FutureRecord::<(), str>::to(TOPIC).payload("x");
        let (error, _) = producer.send(record, LIMIT).await.unwrap_err();
        assert!(matches!(error, KafkaError::MessageProduction(_)), "{error}");
    }
}
