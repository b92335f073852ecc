//! The archive over a real Kafka and a real FerretDB that is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Group, Topic};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{
    Durable, EventLog as _, Handler, KafkaLog, KafkaSettings, Mechanism, Record,
};
use chatbot_storage::archive::{self, Archive};
use chatbot_storage::documents::{MongoDocuments, Retention};
use chatbot_storage::relay::Relay;
use chatbot_storage::store::SqliteStore;
use chatbot_storage::store::outbox::Outbox as _;
use chatbot_testkit::documents::Documents;
use chatbot_testkit::kafka::{self, Kafka};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::content;
use crate::backend::{Backend as _, OnSqlite};
use crate::documents::backend::on_ferretdb;
use crate::fixture::Fixture;

/// Nobody tells when an event is handled: it is looked at again after this time.
const PAUSE: Duration = Duration::from_millis(50);

/// How long what is on its way may take: a member of a group that died is missed for ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// An archive that counts what it has handled.
#[derive(Clone)]
struct Counting {
    archive: Archive<SqliteStore, MongoDocuments>,
    handled: Arc<AtomicUsize>,
}

impl Handler for Counting {
    type Item = Event;
    type Error = archive::Error;

    async fn handle(&self, events: &[Event]) -> Result<(), archive::Error> {
        self.archive.handle(events).await?;
        self.handled.fetch_add(events.len(), Ordering::Relaxed);
        Ok(())
    }
}

impl Counting {
    /// A process that takes part in the archive's group.
    fn member(&self, log: &KafkaLog) -> JoinHandle<()> {
        let context = Context::new(Workload::Storage);
        let durable = Durable::new(Arc::new(log.clone()), Group::Archive, &context);
        let archive = self.clone();
        tokio::spawn(async move {
            // It lives as long as its member.
            let _context = context;
            durable.run(archive).await;
        })
    }

    async fn until_alike(&self) {
        let verified = self.archive.verify(PATIENCE).await.unwrap();
        assert_eq!(verified.differences, []);
    }
}

async fn log(kafka: &Kafka) -> KafkaLog {
    let log = KafkaLog::new(KafkaSettings {
        bootstrap_servers: kafka.address(),
        user: kafka::USER.to_owned(),
        password: kafka::PASSWORD.to_owned(),
        mechanism: Mechanism::ScramSha512,
        tls: false,
        authority: None,
        topic_prefix: format!("t{}", Uuid::new_v4().simple()),
    })
    .unwrap();
    log.make_topics(&[Topic::Events, Topic::DeadLetters]).await;
    log
}

async fn turns(fixture: &Fixture<OnSqlite>, name: &str) -> Vec<Uuid> {
    let mut conversations = Vec::new();
    for number in 0..5 {
        let key = format!("{name}-{number}");
        let begun = fixture.begin(None, &key, "hello").await.unwrap();
        let turn = begun.message.turn_id;
        fixture.answer(turn, 1, "hi").await.unwrap();
        conversations.push(begun.message.conversation_id);
    }
    conversations
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_store_a_rebalance_and_a_replayed_topic_lose_nothing_and_change_nothing() {
    let (kafka, server) = tokio::join!(Kafka::shared(), Documents::start());
    let (kafka, server) = (kafka.unwrap(), server.unwrap());
    let log = log(&kafka).await;
    let fixture = Fixture::<OnSqlite>::new().await;
    let store = fixture.backend.store();
    let documents = on_ferretdb(&server, "archive").await;
    let counting = Counting {
        archive: Archive::new(store.clone(), documents.clone(), Retention::default()),
        handled: Arc::default(),
    };
    let (one, other) = (counting.member(&log), counting.member(&log));
    let context = Context::new(Workload::Storage);
    let outbox = Arc::new(store.clone());
    let relay = Relay::new(outbox, Arc::new(log.clone()), &context.metrics);
    let relaying = tokio::spawn(async move { relay.run(&context.shutdown).await });

    let early = turns(&fixture, "before").await;
    counting.until_alike().await;
    server.kill();
    turns(&fixture, "meanwhile").await;
    for conversation in &early[..2] {
        fixture
            .all
            .delete(fixture.user, *conversation)
            .await
            .unwrap();
    }
    // Nothing here waits for the document store, only Kafka does.
    while store.backlog().await.unwrap().rows > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    one.abort();
    server.start_again().await.unwrap();
    counting.until_alike().await;

    let told = kafka.records(&log.topic(Topic::Events)).await.unwrap();
    let before = content(&documents).await;
    assert_eq!((before.0.len(), before.1[0].usage.turns), (16, 8));
    let handled = counting.handled.load(Ordering::Relaxed);
    let again = told.iter().map(|record| Record {
        key: record.key.clone(),
        payload: record.payload.clone(),
        headers: Vec::new(),
    });
    for result in log.append(Topic::Events, again.collect()).await {
        result.unwrap();
    }
    while counting.handled.load(Ordering::Relaxed) < handled + told.len() {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(content(&documents).await, before);
    counting.until_alike().await;
    other.abort();
    relaying.abort();
}
