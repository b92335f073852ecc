//! The outbox and its relays.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Group, Kind, Topic};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{Batch, Entry, Error, EventLog, InProcessLog, Record};
use chatbot_storage::relay::Relay;
use chatbot_storage::service::Conversations;
use chatbot_storage::store::outbox::{BUCKETS, Outbox as _};
use chatbot_storage::store::{Events, MysqlStore};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, future};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::backend::{Backend, OnMysql, suite};
use crate::fixture::{Fixture, ring};

suite!(
    each_change_is_told_once_and_in_order,
    no_event_holds_what_a_user_wrote,
    a_relay_tells_what_waits_and_removes_it,
    what_a_dead_relay_told_and_did_not_remove_is_told_again_in_order,
    the_backlog_is_a_number_and_an_age,
);

/// Nobody tells when a row is gone: it is looked at again after this time.
const PAUSE: Duration = Duration::from_millis(20);

fn every_bucket() -> Vec<u16> {
    (0..BUCKETS).collect()
}

async fn waiting<B: Backend>(fixture: &Fixture<B>) -> Vec<Event> {
    let rows = fixture
        .backend
        .store()
        .waiting(&every_bucket(), 10_000)
        .await
        .unwrap();
    rows.iter()
        .map(|row| serde_json::from_slice(&row.event).unwrap())
        .collect()
}

fn relay<B: Backend>(
    fixture: &Fixture<B>,
    log: Arc<dyn EventLog>,
    context: &Context,
) -> Relay<B::Store> {
    Relay::new(Arc::new(fixture.backend.store()), log, &context.metrics)
}

fn run<B: Backend>(fixture: &Fixture<B>, log: Arc<dyn EventLog>) -> JoinHandle<()> {
    let context = Context::new(Workload::Storage);
    let relay = relay(fixture, log, &context);
    tokio::spawn(async move { relay.run(&context.shutdown).await })
}

async fn empty<B: Backend>(fixture: &Fixture<B>) {
    while fixture.backend.store().backlog().await.unwrap().rows > 0 {
        tokio::time::sleep(PAUSE).await;
    }
}

/// A log whose answer never comes once the broker has the records: as for a process that dies then.
#[derive(Default)]
struct Deaf {
    log: Arc<InProcessLog>,
    deaf: AtomicBool,
}

impl EventLog for Deaf {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Vec<Result<(), Error>>> {
        let appended = self.log.append(topic, records);
        if self.deaf.load(Ordering::Relaxed) {
            appended.then(|_| future::pending()).boxed()
        } else {
            appended
        }
    }

    fn follow(&self, topic: Topic) -> BoxFuture<'_, BoxStream<'static, Entry>> {
        self.log.follow(topic)
    }

    fn take_part(
        &self,
        topic: Topic,
        group: Group,
        lag: Box<dyn Fn(i64) + Send + Sync>,
    ) -> BoxStream<'static, Batch> {
        self.log.take_part(topic, group, lag)
    }
}

async fn each_change_is_told_once_and_in_order<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    fixture.begin(None, "k", "hello").await.unwrap();
    let turn = fixture
        .answer(begun.message.turn_id, 2, "hi")
        .await
        .unwrap();
    fixture
        .answer(begun.message.turn_id, 2, "hi")
        .await
        .unwrap();
    let conversation = begun.message.conversation_id;
    fixture
        .all
        .delete(fixture.user, conversation)
        .await
        .unwrap();
    let events = waiting(&fixture).await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
    let expected = [
        Kind::MessageCreated {
            message_id: turn.message.id,
            turn_id: turn.message.turn_id,
        },
        Kind::AnswerCreated {
            message_id: turn.answer.id,
            turn_id: turn.message.turn_id,
            model: "test-model".to_owned(),
            prompt_tokens: Some(3),
            completion_tokens: Some(5),
        },
        Kind::ConversationDeleted {},
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        events.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(
        events
            .iter()
            .all(|event| event.user_id == fixture.user && event.conversation_id == conversation)
    );
}

#[tokio::test]
async fn nothing_is_written_where_nobody_reads() {
    let mut fixture = Fixture::<OnMysql>::new().await;
    let silent = MysqlStore::new(fixture.backend.database.clone(), Events::Left);
    fixture.all = Arc::new(Conversations::new(silent, ring()));
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    let conversation = begun.message.conversation_id;
    fixture
        .all
        .delete(fixture.user, conversation)
        .await
        .unwrap();
    assert_eq!(fixture.backend.store().backlog().await.unwrap().rows, 0);
}

async fn no_event_holds_what_a_user_wrote<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = fixture.begin(None, "k", "the crab").await.unwrap();
    fixture
        .answer(begun.message.turn_id, 1, "a crab")
        .await
        .unwrap();
    let rows = fixture
        .backend
        .store()
        .waiting(&every_bucket(), 10)
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| !String::from_utf8_lossy(&row.event).contains("crab"))
    );
}

async fn a_relay_tells_what_waits_and_removes_it<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let log = Arc::new(InProcessLog::default());
    let mut entries = log.follow(Topic::Events).await;
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    let running = run(&fixture, log);
    let entry = entries.next().await.unwrap();
    let event: Event = serde_json::from_slice(&entry.record.payload).unwrap();
    assert_eq!(event.conversation_id, begun.message.conversation_id);
    assert_eq!(
        entry.record.key,
        begun.message.conversation_id.as_bytes().as_slice()
    );
    empty(&fixture).await;
    running.abort();
}

async fn what_a_dead_relay_told_and_did_not_remove_is_told_again_in_order<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let deaf = Arc::new(Deaf::default());
    let mut entries = deaf.follow(Topic::Events).await;
    let first = fixture.begin(None, "k0", "m0").await.unwrap();
    let conversation = first.message.conversation_id;
    for number in 1..20 {
        let (key, text) = (format!("k{number}"), format!("m{number}"));
        fixture
            .begin(Some(conversation), &key, &text)
            .await
            .unwrap();
    }
    deaf.deaf.store(true, Ordering::Relaxed);
    let dying = run(&fixture, deaf.clone());
    let mut told = Vec::new();
    while told.len() < 20 {
        told.push(entries.next().await.unwrap());
    }
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    assert_eq!(fixture.backend.store().backlog().await.unwrap().rows, 20);

    fixture
        .begin(Some(conversation), "last", "the last one")
        .await
        .unwrap();
    deaf.deaf.store(false, Ordering::Relaxed);
    let successor = run(&fixture, deaf);
    empty(&fixture).await;
    successor.abort();
    while told.len() < 41 {
        told.push(entries.next().await.unwrap());
    }
    // Whoever knows events by their ids sees each once, in order.
    let mut known = HashSet::new();
    let mut seqs = Vec::new();
    for entry in told {
        let event: Event = serde_json::from_slice(&entry.record.payload).unwrap();
        if known.insert(event.id) {
            seqs.push(event.seq);
        }
    }
    assert_eq!(seqs, (1..=21).collect::<Vec<_>>());
}

#[tokio::test]
async fn relays_share_the_buckets_and_the_living_take_those_of_the_dead() {
    let fixture = Fixture::<OnMysql>::new().await;
    let store = fixture.backend.store();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(store.lease(one).await.unwrap(), every_bucket());
    // The first one learns of the second, and gives it its share.
    assert!(store.lease(other).await.unwrap().is_empty());
    let kept = store.lease(one).await.unwrap();
    let taken = store.lease(other).await.unwrap();
    assert_eq!((kept.len(), taken.len()), (8, 8));
    let all: HashSet<_> = kept.iter().chain(&taken).collect();
    assert_eq!(all.len(), usize::from(BUCKETS));

    store.release(one).await.unwrap();
    assert_eq!(store.lease(other).await.unwrap().len(), 16);
    // One that says nothing more is dead when its lease is over, by the database's clock.
    sqlx::query("UPDATE outbox_leases SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND")
        .execute(&mut fixture.backend.sql().await)
        .await
        .unwrap();
    sqlx::query("UPDATE outbox_relays SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND")
        .execute(&mut fixture.backend.sql().await)
        .await
        .unwrap();
    let third = Uuid::now_v7();
    assert_eq!(store.lease(third).await.unwrap(), every_bucket());
    // Nobody takes what is owned.
    assert!(store.lease(other).await.unwrap().is_empty());
}

#[tokio::test]
async fn many_relays_lose_and_reorder_nothing() {
    let fixture = Fixture::<OnMysql>::new().await;
    let log = Arc::new(InProcessLog::default());
    let mut entries = log.follow(Topic::Events).await;
    let relays: Vec<_> = (0..3).map(|_| run(&fixture, log.clone())).collect();
    let fixture_ref = &fixture;
    future::join_all((0..6).map(|user| async move {
        let first = fixture_ref
            .begin(None, &format!("{user}"), "first")
            .await
            .unwrap();
        for number in 0..10 {
            let key = format!("{user}-{number}");
            fixture_ref
                .begin(Some(first.message.conversation_id), &key, "more")
                .await
                .unwrap();
        }
    }))
    .await;
    empty(&fixture).await;
    let mut known = HashSet::new();
    let mut seqs: HashMap<Uuid, Vec<u64>> = HashMap::new();
    while known.len() < 66 {
        let entry = entries.next().await.unwrap();
        let event: Event = serde_json::from_slice(&entry.record.payload).unwrap();
        if known.insert(event.id) {
            seqs.entry(event.conversation_id)
                .or_default()
                .push(event.seq);
        }
    }
    assert!(
        seqs.values()
            .all(|seqs| *seqs == (1..=11).collect::<Vec<_>>())
    );
    relays.iter().for_each(JoinHandle::abort);
}

async fn the_backlog_is_a_number_and_an_age<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    fixture.begin(None, "k", "hello").await.unwrap();
    let earlier = "UPDATE outbox SET created_at = created_at - 60000".to_owned();
    fixture.backend.execute(earlier).await;
    let context = Context::new(Workload::Storage);
    let relay = relay(&fixture, Arc::new(InProcessLog::default()), &context);
    let measuring = tokio::spawn(async move { relay.measure().await });
    let number = |name: &str| -> f64 {
        let line = format!("chatbot_{name}{{workload=\"storage\"}} ");
        let text = context.metrics.text();
        text.lines()
            .find_map(|found| found.strip_prefix(&line)?.parse().ok())
            .unwrap()
    };
    while number("outbox_rows") < 1.0 {
        tokio::time::sleep(PAUSE).await;
    }
    while number("outbox_oldest_age_seconds") < 60.0 {
        tokio::time::sleep(PAUSE).await;
    }
    measuring.abort();
}
