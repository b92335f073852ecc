//! Events from the database to whoever listens, with everything between them killed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chatbot_api::events::UserEvent;
use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Kind, Topic};
use chatbot_contract::paths;
use chatbot_contract::report::{DependencyName, DependencyState};
use chatbot_runtime::events::{EventLog as _, KafkaLog, KafkaSettings, Mechanism, Record};
use chatbot_testkit::deployment::{Deployment, PAUSE};
use chatbot_testkit::history::load::{self, Options};
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::{read, verify};
use chatbot_testkit::kafka::{self, Kafka};
use reqwest::Method;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Person;
use crate::deployment;

/// How often Kafka and storage are killed under load.
const ROUNDS: u32 = 2;

/// Server-sent events of a person.
struct Listening {
    response: reqwest::Response,
    text: String,
}

impl Listening {
    async fn start(person: &Person<'_>) -> Self {
        let request = person.ask(Method::GET, "/v1/events");
        let response = request.send().await.unwrap().error_for_status().unwrap();
        Self {
            response,
            text: String::new(),
        }
    }

    async fn next(&mut self) -> UserEvent {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = rest.to_owned();
                if let Some(event) = data {
                    return event;
                }
            } else {
                let chunk = self.response.chunk().await.unwrap().unwrap();
                self.text.push_str(str::from_utf8(&chunk).unwrap());
            }
        }
    }

    /// The text of the next message.
    async fn content(&mut self) -> String {
        match self.next().await {
            UserEvent::MessageCreated { message, .. } => message.content,
            other => panic!("{other:?}"),
        }
    }
}

/// The log that the deployment uses, as one more client.
pub(crate) fn log(deployment: &Deployment, kafka: &Kafka) -> KafkaLog {
    KafkaLog::new(KafkaSettings {
        bootstrap_servers: kafka.address(),
        user: kafka::USER.to_owned(),
        password: kafka::PASSWORD.to_owned(),
        mechanism: Mechanism::ScramSha512,
        tls: false,
        authority: None,
        topic_prefix: deployment.topic_prefix().to_owned(),
    })
    .unwrap()
}

/// Appends every record of the topic once more.
pub(crate) async fn tell_again(deployment: &Deployment, kafka: &Kafka, topic: Topic) {
    let log = log(deployment, kafka);
    let told = kafka.records(&log.topic(topic)).await.unwrap();
    let again = told.into_iter().map(|record| Record {
        key: record.key,
        payload: record.payload,
        headers: Vec::new(),
    });
    for result in log.append(topic, again.collect()).await {
        result.unwrap();
    }
}

async fn number(deployment: &Deployment, name: &str) -> f64 {
    metric(deployment, name, "").await.unwrap()
}

/// One of storage's numbers, if it is there: the labels are those after the workload's name.
pub(crate) async fn metric(deployment: &Deployment, name: &str, labels: &str) -> Option<f64> {
    let url = deployment.admin(Workload::Storage, paths::METRICS);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let line = format!("chatbot_{name}{{workload=\"storage\"{labels}}} ");
    text.lines()
        .find_map(|found| found.strip_prefix(&line)?.parse().ok())
}

async fn wait_until_kafka_is(deployment: &Deployment, state: DependencyState) {
    deployment
        .wait_until_seen(Workload::Storage, DependencyName::Kafka, state)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_second_connection_sees_a_turn_and_another_person_does_not() {
    let kafka = Kafka::shared().await.unwrap();
    let deployment = deployment::start_with_kafka(Arc::clone(&kafka)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let bob = Person::register(&deployment, "bob@example.org").await;
    let (mut of_ada, mut of_bob) = (Listening::start(&ada).await, Listening::start(&bob).await);
    let turn = ada.say("hello").await;
    assert_eq!(of_ada.content().await, "hello");
    assert_eq!(of_ada.content().await, "You said: hello");

    // The whole topic again: nobody sees anything twice.
    tell_again(&deployment, &kafka, Topic::Events).await;
    bob.say("I am bob").await;
    assert_eq!(of_bob.content().await, "I am bob");
    let path = format!("/v1/conversations/{}", turn.message.conversation_id);
    ada.ask(Method::DELETE, &path).send().await.unwrap();
    let gone = of_ada.next().await;
    assert!(
        matches!(gone, UserEvent::ConversationDeleted { conversation_id, .. } if conversation_id == turn.message.conversation_id),
        "{gone:?}"
    );
}

#[tokio::test]
async fn without_kafka_people_talk_on_and_are_told_later() {
    let kafka = Arc::new(Kafka::start().await.unwrap());
    let deployment = deployment::start_with_kafka(Arc::clone(&kafka)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let mut listening = Listening::start(&ada).await;
    ada.say("before").await;
    assert_eq!(listening.content().await, "before");
    assert_eq!(listening.content().await, "You said: before");

    kafka.kill();
    wait_until_kafka_is(&deployment, DependencyState::Unreachable).await;
    ada.say("meanwhile").await;
    while number(&deployment, "outbox_rows").await < 2.0 {
        tokio::time::sleep(PAUSE).await;
    }
    let ready = deployment.admin(Workload::Storage, paths::READYZ);
    assert_eq!(reqwest::get(ready).await.unwrap().status(), 200);

    kafka.start_again().await.unwrap();
    assert_eq!(listening.content().await, "meanwhile");
    assert_eq!(listening.content().await, "You said: meanwhile");
    wait_until_kafka_is(&deployment, DependencyState::Ok).await;
    while number(&deployment, "outbox_rows").await > 0.0 {
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn a_system_without_kafka_says_that_it_tells_no_events() {
    let deployment = deployment::start().await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let refused = ada.ask(Method::GET, "/v1/events").send().await.unwrap();
    assert_eq!(refused.status(), 404);
}

#[tokio::test]
async fn crashes_of_kafka_and_storage_under_load_lose_double_and_reorder_no_event() {
    let kafka = Arc::new(Kafka::start().await.unwrap());
    let mut deployment = deployment::start_with_kafka(Arc::clone(&kafka)).await;
    let mut options = Options::new(deployment.url("").parse().unwrap(), 4);
    options.pause = Duration::from_millis(250);
    let topic = log(&deployment, &kafka).topic(Topic::Events);
    let stop = CancellationToken::new();
    let crashing = async {
        for _ in 0..ROUNDS {
            let told = kafka.records(&topic).await.unwrap().len();
            kafka.kill();
            deployment.crash(Workload::Storage).await.unwrap();
            kafka.start_again().await.unwrap();
            // Somebody is at work again, and is hit by the next round.
            while kafka.records(&topic).await.unwrap().len() <= told {
                tokio::time::sleep(PAUSE).await;
            }
            deployment.crash(Workload::Storage).await.unwrap();
        }
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(load::run(&options, stop.clone()), crashing);
    let mut ran = ran.unwrap();
    for workload in Workload::ALL {
        deployment.wait_until_ready(workload).await.unwrap();
    }
    let readable = read::everything(&mut ran.clients).await.unwrap();
    let summary = Summary::new(&ran.history, verify::verify(&ran.history, &readable));
    assert!(summary.violations.is_empty(), "{summary}");

    let readable: Vec<_> = readable
        .iter()
        .flat_map(|user| &user.conversations)
        .collect();
    let messages: usize = readable.iter().map(|(_, messages)| messages.len()).sum();
    let (told, conversations) = loop {
        let records = kafka.records(&topic).await.unwrap();
        let (told, conversations) = as_consumers_see_it(records);
        let seen = |id| conversations.get(id).map_or(0, Vec::len);
        if readable.iter().map(|(id, _)| seen(id)).sum::<usize>() >= messages {
            break (told, conversations);
        }
        tokio::time::sleep(PAUSE).await;
    };
    for (id, messages) in readable {
        let ids: Vec<_> = messages.iter().map(|message| Some(message.id)).collect();
        assert_eq!(conversations[id], ids, "conversation {id}");
    }
    println!("{ROUNDS} rounds of crashes, {told} records: {summary}");
}

/// Reads a topic as a consumer does who knows events by their ids; gives the number of records, and
/// the message of each event of each conversation.
fn as_consumers_see_it(records: Vec<kafka::Record>) -> (usize, HashMap<Uuid, Vec<Option<Uuid>>>) {
    let told = records.len();
    let mut known = HashSet::new();
    let mut conversations: HashMap<Uuid, BTreeMap<u64, Option<Uuid>>> = HashMap::new();
    for record in records {
        let event: Event = serde_json::from_slice(&record.payload).unwrap();
        if !known.insert(event.id) {
            continue;
        }
        let message = match event.kind {
            Kind::MessageCreated { message_id, .. } | Kind::AnswerCreated { message_id, .. } => {
                Some(message_id)
            }
            Kind::ConversationDeleted {} => None,
        };
        let seen = conversations.entry(event.conversation_id).or_default();
        let expected = seen.last_key_value().map_or(1, |(seq, _)| seq + 1);
        assert_eq!(event.seq, expected, "{} is out of order", event.id);
        seen.insert(event.seq, message);
    }
    let messages = |seen: BTreeMap<_, _>| seen.into_values().collect();
    let conversations = conversations
        .into_iter()
        .map(|(id, seen)| (id, messages(seen)))
        .collect();
    (told, conversations)
}

#[tokio::test]
async fn a_dead_letter_is_put_back_by_hand() {
    let kafka = Kafka::shared().await.unwrap();
    let deployment = deployment::start_with_kafka(Arc::clone(&kafka)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let mut listening = Listening::start(&ada).await;
    let log = log(&deployment, &kafka);
    let broken = Record {
        key: b"k".to_vec(),
        payload: b"no event".to_vec(),
        headers: Vec::new(),
    };
    log.append(Topic::Events, vec![broken])
        .await
        .pop()
        .unwrap()
        .unwrap();
    let letters = log.topic(Topic::DeadLetters);
    // The gateway that tells its users and the storage that tells webhooks set it aside, each for itself.
    while kafka.records(&letters).await.unwrap().len() != 2 {
        tokio::time::sleep(PAUSE).await;
    }
    // The rest is told as ever.
    ada.say("hello").await;
    assert_eq!(listening.content().await, "hello");

    let mut replay = deployment.replay().unwrap();
    assert!(
        replay.ended().await.unwrap().success(),
        "{}",
        replay.errors()
    );
    let events = kafka.records(&log.topic(Topic::Events)).await.unwrap();
    let broken = events.iter().filter(|record| record.payload == b"no event");
    assert_eq!(broken.count(), 2);
    // It was put back once. It still cannot be handled, and waits for the next replay.
    while kafka.records(&letters).await.unwrap().len() != 4 {
        tokio::time::sleep(PAUSE).await;
    }
}
