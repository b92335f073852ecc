//! The log of events: the same tests over both adapters, and what only Kafka can show.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Group, Kind, PARTITIONS, Topic, VERSION, dead};
use chatbot_contract::report::DependencyState;
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{
    Consumed, Durable, EventLog, Handler, InProcessLog, KafkaLog, KafkaSettings, Mechanism, Record,
    Replayed, consume,
};
use chatbot_testkit::kafka::{self, Kafka};
use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Nobody tells when a broker's view changes: it is looked at again after this time.
const PAUSE: Duration = Duration::from_millis(50);

fn settings(kafka: &Kafka) -> KafkaSettings {
    KafkaSettings {
        bootstrap_servers: kafka.address(),
        user: kafka::USER.to_owned(),
        password: kafka::PASSWORD.to_owned(),
        mechanism: Mechanism::ScramSha512,
        tls: false,
        authority: None,
        topic_prefix: format!("t{}", Uuid::new_v4().simple()),
    }
}

/// A log with topics of its own.
async fn on_kafka(kafka: &Kafka) -> KafkaLog {
    let log = KafkaLog::new(settings(kafka)).unwrap();
    log.make_topics(&[Topic::Events, Topic::DeadLetters]).await;
    log
}

/// Runs a test over both adapters.
macro_rules! over_both {
    ($($name:ident)+) => {
        mod in_process {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Arc::new(InProcessLog::default())).await;
            })+
        }
        mod kafka_ {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let kafka = Kafka::shared().await.unwrap();
                super::$name(Arc::new(on_kafka(&kafka).await)).await;
            })+
        }
    };
}

over_both! {
    whoever_follows_gets_what_is_appended_from_then_on
    records_of_one_key_stay_in_order
    what_cannot_be_handled_is_set_aside_and_the_rest_goes_on
    a_group_gets_what_failed_again_before_what_comes_after_it
}

fn record(key: &str, payload: impl Into<Vec<u8>>) -> Record {
    Record {
        key: key.as_bytes().to_owned(),
        payload: payload.into(),
        headers: vec![("h".to_owned(), "1".to_owned())],
    }
}

async fn append(log: &dyn EventLog, records: Vec<Record>) {
    for result in log.append(Topic::Events, records).await {
        result.unwrap();
    }
}

async fn whoever_follows_gets_what_is_appended_from_then_on(log: Arc<dyn EventLog>) {
    append(log.as_ref(), vec![record("k", "before")]).await;
    let mut one = log.follow(Topic::Events).await;
    let mut other = log.follow(Topic::Events).await;
    append(log.as_ref(), vec![record("k", "after")]).await;
    for entries in [&mut one, &mut other] {
        assert_eq!(entries.next().await.unwrap().record, record("k", "after"));
    }
}

async fn records_of_one_key_stay_in_order(log: Arc<dyn EventLog>) {
    let mut entries = log.follow(Topic::Events).await;
    let records = (0..300).map(|n| record(&format!("k{}", n % 7), n.to_string()));
    append(log.as_ref(), records.collect()).await;
    let mut last = std::collections::HashMap::new();
    for _ in 0..300 {
        let entry = entries.next().await.unwrap().record;
        let number: u32 = str::from_utf8(&entry.payload).unwrap().parse().unwrap();
        let before = last.insert(entry.key, number);
        assert!(before.is_none_or(|before| before < number));
    }
}

async fn what_cannot_be_handled_is_set_aside_and_the_rest_goes_on(log: Arc<dyn EventLog>) {
    let mut dead_letters = log.follow(Topic::DeadLetters).await;
    let context = Context::new(Workload::Gateway);
    let consumed = Consumed::new(&context.metrics);
    let (following, followed) = oneshot::channel();
    let handled = Arc::new(Mutex::new(Vec::new()));
    let (seen, reader) = (Arc::clone(&handled), Arc::clone(&log));
    let consuming = tokio::spawn(async move {
        let following = || following.send(()).unwrap();
        let handle = |event: Event| seen.lock().unwrap().push(event);
        consume(reader, Workload::Gateway, consumed, following, handle).await;
    });
    followed.await.unwrap();
    let event = event(1);
    let text = serde_json::to_string(&event).unwrap();
    let newer = text.replace(r#""version":1"#, r#""version":2"#);
    let unknown = text.replace("conversation.deleted", "conversation.renamed");
    append(
        log.as_ref(),
        vec![
            record("k", "no event"),
            record("k", newer.clone()),
            record("k", unknown),
            record("k", text),
        ],
    )
    .await;
    for (reason, payload) in [("malformed", "no event"), ("unknown_version", &newer)] {
        let set_aside = dead_letters.next().await.unwrap().record;
        assert_eq!(set_aside.payload, payload.as_bytes());
        assert_eq!(set_aside.key, b"k");
        let of = |name| set_aside.headers.iter().find(|(header, _)| header == name);
        assert_eq!(of(dead::REASON).unwrap().1, reason);
        assert_eq!(of(dead::CONSUMER).unwrap().1, "gateway");
        assert!(of(dead::ORIGIN).is_some());
    }
    while handled.lock().unwrap().is_empty() {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(*handled.lock().unwrap(), [event]);
    let metrics = context.metrics.text();
    for line in [
        r#"chatbot_events_dead_lettered_total{workload="gateway",reason="malformed"} 1"#,
        r#"chatbot_events_dead_lettered_total{workload="gateway",reason="unknown_version"} 1"#,
        r#"chatbot_events_skipped_total{workload="gateway"} 1"#,
        r#"chatbot_events_handled_total{workload="gateway"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    consuming.abort();
}

fn event(seq: u64) -> Event {
    Event {
        id: Uuid::now_v7(),
        version: VERSION,
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        user_id: Uuid::now_v7(),
        conversation_id: Uuid::now_v7(),
        seq,
        kind: Kind::ConversationDeleted {},
    }
}

#[tokio::test]
async fn dead_letters_are_put_back_once() {
    let kafka = Kafka::shared().await.unwrap();
    let log = on_kafka(&kafka).await;
    let letter = |origin: &str, payload: &str| Record {
        headers: vec![(dead::ORIGIN.to_owned(), origin.to_owned())],
        ..record("k", payload)
    };
    // Two gateways have set the first one aside.
    let letters = vec![letter("0/1", "a"), letter("0/1", "a"), letter("0/2", "b")];
    for result in log.append(Topic::DeadLetters, letters).await {
        result.unwrap();
    }
    let replayed = log.replay_dead_letters().await.unwrap();
    assert_eq!(replayed, Replayed { back: 2, copies: 1 });
    let events = kafka.records(&log.topic(Topic::Events)).await.unwrap();
    let payloads: Vec<_> = events
        .iter()
        .map(|event| event.payload.as_slice())
        .collect();
    assert_eq!(payloads, [b"a", b"b"]);
    assert!(
        events
            .iter()
            .all(|event| event.key == b"k" && event.headers.is_empty())
    );
    let again = log.replay_dead_letters().await.unwrap();
    assert_eq!(again, Replayed::default());
}

#[tokio::test]
async fn topics_are_made_with_their_partitions_and_left_alone_afterwards() {
    let kafka = Kafka::shared().await.unwrap();
    let log = on_kafka(&kafka).await;
    log.make_topics(&[Topic::Events, Topic::DeadLetters]).await;
    let records = (0..100).map(|n| record(&n.to_string(), "x")).collect();
    append(&log, records).await;
    let found = kafka.records(&log.topic(Topic::Events)).await.unwrap();
    let partitions: std::collections::HashSet<_> =
        found.iter().map(|record| record.partition).collect();
    assert_eq!(partitions.len(), usize::try_from(PARTITIONS).unwrap());
    assert_eq!(log.look().await.state, DependencyState::Ok);
}

#[tokio::test]
async fn a_user_who_may_not_make_topics_is_told_which_are_missing() {
    let kafka = Kafka::shared().await.unwrap();
    let log = KafkaLog::new(KafkaSettings {
        user: kafka::STRANGER.to_owned(),
        ..settings(&kafka)
    })
    .unwrap();
    let making = tokio::spawn({
        let log = log.clone();
        async move { log.make_topics(&[Topic::Events, Topic::DeadLetters]).await }
    });
    let seen = loop {
        let seen = log.look().await;
        if seen.message.contains("create it") {
            break seen;
        }
        tokio::time::sleep(PAUSE).await;
    };
    assert_eq!(seen.state, DependencyState::Failing);
    assert!(
        seen.message.contains(&log.topic(Topic::Events)),
        "{}",
        seen.message
    );
    making.abort();
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_broker_that_is_away() {
    let kafka = Kafka::shared().await.unwrap();
    let refused = KafkaLog::new(KafkaSettings {
        password: "wrong".to_owned(),
        ..settings(&kafka)
    })
    .unwrap();
    assert_eq!(refused.look().await.state, DependencyState::Refused);
    let away = KafkaLog::new(KafkaSettings {
        bootstrap_servers: "127.0.0.1:1".to_owned(),
        ..settings(&kafka)
    })
    .unwrap();
    assert_eq!(away.look().await.state, DependencyState::Unreachable);
    // It speaks no TLS, which our side does.
    let plain = KafkaLog::new(KafkaSettings {
        tls: true,
        ..settings(&kafka)
    })
    .unwrap();
    let seen = plain.look().await;
    assert_eq!(seen.state, DependencyState::Unreachable);
    assert!(seen.message.contains("SSL"), "{}", seen.message);
}

#[tokio::test]
async fn records_wait_for_a_broker_that_is_away_and_are_read_where_reading_stopped() {
    let kafka = Kafka::start().await.unwrap();
    let log = on_kafka(&kafka).await;
    let mut entries = log.follow(Topic::Events).await;
    append(&log, vec![record("k", "1")]).await;
    assert_eq!(entries.next().await.unwrap().record.payload, b"1");
    kafka.kill();
    let appending = tokio::spawn({
        let log = log.clone();
        async move { append(&log, vec![record("k", "2"), record("k", "3")]).await }
    });
    while log.look().await.state != DependencyState::Unreachable {
        tokio::time::sleep(PAUSE).await;
    }
    assert!(!appending.is_finished());
    kafka.start_again().await.unwrap();
    appending.await.unwrap();
    for payload in [b"2", b"3"] {
        assert_eq!(entries.next().await.unwrap().record.payload, payload);
    }
}

/// Tells what it is given, after it has failed some times.
struct Telling {
    failures: Mutex<u32>,
    told: mpsc::UnboundedSender<u64>,
}

#[derive(Debug, thiserror::Error)]
#[error("it fails as it was told to")]
struct Failed;

impl Handler for Telling {
    type Item = Event;
    type Error = Failed;

    async fn handle(&self, events: &[Event]) -> Result<(), Failed> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(Failed);
        }
        for event in events {
            self.told.send(event.seq).map_err(|_| Failed)?;
        }
        Ok(())
    }
}

/// Takes part in the group of the archive; what it handles comes out of the receiver.
fn take_part(
    log: Arc<dyn EventLog>,
    failures: u32,
) -> (
    Context,
    tokio::task::JoinHandle<()>,
    mpsc::UnboundedReceiver<u64>,
) {
    let context = Context::new(Workload::Storage);
    let (told, handled) = mpsc::unbounded_channel();
    let failures = Mutex::new(failures);
    let consumer = Durable::new(log, Group::Archive, &context);
    let running = tokio::spawn(consumer.run(Telling { failures, told }));
    (context, running, handled)
}

fn events_of_one_conversation(places: std::ops::RangeInclusive<u64>) -> Vec<Record> {
    places
        .map(|seq| record("k", serde_json::to_vec(&event(seq)).unwrap()))
        .collect()
}

async fn a_group_gets_what_failed_again_before_what_comes_after_it(log: Arc<dyn EventLog>) {
    let (context, running, mut handled) = take_part(Arc::clone(&log), 2);
    let mut records = events_of_one_conversation(1..=3);
    records.insert(1, record("k", "no event"));
    append(log.as_ref(), records).await;
    append(log.as_ref(), events_of_one_conversation(4..=5)).await;
    for expected in 1..=5 {
        assert_eq!(handled.recv().await, Some(expected));
    }
    let metrics = context.metrics.text();
    for line in [
        r#"chatbot_events_group_failures_total{workload="storage",group="archive"} 2"#,
        r#"chatbot_events_group_dead_lettered_total{workload="storage",group="archive"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    running.abort();
}

#[tokio::test]
async fn inside_a_process_a_record_is_taken_when_its_group_has_handled_it() {
    let log: Arc<dyn EventLog> = Arc::new(InProcessLog::default());
    let (_context, running, mut handled) = take_part(Arc::clone(&log), 1);
    append(log.as_ref(), events_of_one_conversation(1..=1)).await;
    assert_eq!(handled.try_recv(), Ok(1));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let results = log
        .append(Topic::Events, events_of_one_conversation(2..=3))
        .await;
    assert!(results.len() == 2 && results.iter().all(Result::is_err));
}

#[tokio::test]
async fn a_group_at_kafka_begins_at_the_oldest_record_and_goes_on_where_it_stopped() {
    let kafka = Kafka::shared().await.unwrap();
    let log = Arc::new(on_kafka(&kafka).await);
    append(log.as_ref(), events_of_one_conversation(1..=3)).await;
    let (_context, running, mut handled) = take_part(Arc::clone(&log) as _, 0);
    for expected in 1..=3 {
        assert_eq!(handled.recv().await, Some(expected));
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());

    append(log.as_ref(), events_of_one_conversation(4..=6)).await;
    let (_context, running, mut handled) = take_part(Arc::clone(&log) as _, 0);
    // What was handled and not committed before the end may come again, in order.
    let mut last = handled.recv().await.unwrap();
    assert!(last <= 4, "{last} came first");
    while last < 6 {
        let next = handled.recv().await.unwrap();
        assert_eq!(next, last + 1);
        last = next;
    }
    running.abort();
}

#[tokio::test]
async fn a_group_outlives_its_broker_and_loses_nothing() {
    let kafka = Kafka::start().await.unwrap();
    let log = Arc::new(on_kafka(&kafka).await);
    let (_context, running, mut handled) = take_part(Arc::clone(&log) as _, 0);
    append(log.as_ref(), events_of_one_conversation(1..=2)).await;
    assert_eq!(handled.recv().await, Some(1));
    assert_eq!(handled.recv().await, Some(2));
    kafka.kill();
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move { append(log.as_ref(), events_of_one_conversation(3..=4)).await }
    });
    kafka.start_again().await.unwrap();
    appending.await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while !seen.contains(&4) {
        seen.insert(handled.recv().await.unwrap());
    }
    assert!(seen.contains(&3), "{seen:?}");
    running.abort();
}
