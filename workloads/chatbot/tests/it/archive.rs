//! The archive of a whole system, with the document store killed in between.

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::conversations::{MessageOut, Page};
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::usage::UsageOut;
use chatbot_contract::events::Topic;
use chatbot_contract::report::{DependencyName, DependencyState};
use chatbot_contract::{Workload, paths};
use chatbot_testkit::deployment::{Deployment, PAUSE};
use chatbot_testkit::documents::Documents;
use chatbot_testkit::kafka::Kafka;
use futures::StreamExt as _;
use mongodb::bson::doc;
use reqwest::Method;
use uuid::Uuid;

use crate::Person;
use crate::deployment;
use crate::events::{log, metric, tell_again};

/// More requests than wait for Kafka, in the gateway's queue and with its producer.
const MANY: usize = 3_000;

/// How long one may take: far less than Kafka's client waits for a broker.
const QUICK: Duration = Duration::from_secs(2);

async fn turns(person: &Person<'_>) -> u64 {
    let usage: UsageOut = person.get("/v1/usage").await;
    usage.data.iter().map(|day| day.turns).sum()
}

async fn until_used(person: &Person<'_>, number: u64) {
    while turns(person).await != number {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until storage's process has archived so many events.
async fn until_archived(deployment: &Deployment, events: f64) {
    let name = "events_group_handled_total";
    let labels = ",group=\"archive\"";
    while metric(deployment, name, labels).await < Some(events) {
        tokio::time::sleep(PAUSE).await;
    }
}

async fn refusal(person: &Person<'_>, path: &str) -> (u16, ErrorOut) {
    let answer = person.ask(Method::GET, path).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_follows_what_was_said_and_a_killed_document_store_holds_up_nobody() {
    let documents = Arc::new(Documents::start().await.unwrap());
    let kafka = Kafka::shared().await.unwrap();
    let deployment = deployment::start_with_documents(Some(kafka), Arc::clone(&documents)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let bob = Person::register(&deployment, "bob@example.org").await;
    let first = ada.say("hello").await;
    until_used(&ada, 1).await;
    let usage: UsageOut = ada.get("/v1/usage").await;
    assert_eq!(usage.data.len(), 1);
    assert_eq!(usage.data[0].model, "openai/gpt-oss-20b");
    let tokens = first.usage.unwrap();
    assert_eq!(usage.data[0].prompt_tokens, tokens.prompt_tokens);
    assert_eq!(usage.data[0].completion_tokens, tokens.completion_tokens);
    assert_eq!(turns(&bob).await, 0);

    documents.kill();
    let seen =
        |state| deployment.wait_until_seen(Workload::Storage, DependencyName::Documents, state);
    seen(DependencyState::Unreachable).await.unwrap();
    ada.say("meanwhile").await;
    let (status, refused) = refusal(&ada, "/v1/usage").await;
    assert_eq!(
        (status, refused.error.code),
        (503, ErrorCode::UsageUnavailable)
    );
    let ready = deployment.admin(Workload::Storage, paths::READYZ);
    assert_eq!(reqwest::get(ready).await.unwrap().status(), 200);

    documents.start_again().await.unwrap();
    until_used(&ada, 2).await;
    seen(DependencyState::Ok).await.unwrap();

    let path = format!("/v1/conversations/{}", first.message.conversation_id);
    ada.ask(Method::DELETE, &path).send().await.unwrap();
    until_used(&ada, 1).await;
    let (status, refused) = refusal(&ada, "/v1/usage?from=2026-02-30").await;
    assert_eq!(
        (status, refused.error.param.as_deref()),
        (400, Some("from"))
    );
    let message = refused.error.message;
    assert!(message.contains("write it as 2026-11-01"), "{message}");
    let (status, refused) = refusal(&ada, "/v1/usage?from=2026-02-02&to=2026-02-01").await;
    assert_eq!(
        (status, refused.error.param.as_deref()),
        (400, Some("from"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_that_died_together_with_its_broker() {
    let documents = Arc::new(Documents::start().await.unwrap());
    let kafka = Arc::new(Kafka::start().await.unwrap());
    let mut deployment =
        deployment::start_with_documents(Some(Arc::clone(&kafka)), documents).await;
    Person::register(&deployment, "ada@example.org")
        .await
        .say("before")
        .await;
    until_archived(&deployment, 2.0).await;

    kafka.kill();
    deployment.crash(Workload::Storage).await.unwrap();
    Person::register(&deployment, "bob@example.org")
        .await
        .say("meanwhile")
        .await;
    kafka.start_again().await.unwrap();
    // The broker waits 10 s for the dead member; a member that is slow to hear of it takes minutes.
    let archived = until_archived(&deployment, 2.0);
    let within = tokio::time::timeout(Duration::from_secs(60), archived).await;
    within.expect("the group goes on when the broker has given its dead member up");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_kept_once_though_kafka_was_away_and_its_topic_is_told_again() {
    let documents = Arc::new(Documents::start().await.unwrap());
    let kafka = Arc::new(Kafka::start().await.unwrap());
    let deployment =
        deployment::start_with_documents(Some(Arc::clone(&kafka)), Arc::clone(&documents)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let turn = ada.say("the secret of the crab").await;
    kafka.kill();
    let conversation = turn.message.conversation_id;
    let (status, _) = refusal(&ada, &format!("/v1/conversations/{}", Uuid::nil())).await;
    assert_eq!(status, 404);
    kafka.start_again().await.unwrap();
    let requests = documents.collection("chatbot", "requests").unwrap();
    let count = async |filter| requests.count_documents(filter).await.unwrap();
    // A registration, a turn, and what was not there.
    while count(doc! {}).await < 3 {
        tokio::time::sleep(PAUSE).await;
    }
    let route = "/v1/conversations/{conversation_id}";
    let missing = doc! {"route": route, "status": 404, "error": "not_found", "method": "GET"};
    assert_eq!(count(missing).await, 1);
    assert_eq!(count(doc! {"route": "/v1/chat", "status": 200}).await, 1);
    assert_eq!(count(doc! {"user_id": null}).await, 1, "the registration");

    let topic = log(&deployment, &kafka).topic(Topic::Requests);
    tell_again(&deployment, &kafka, Topic::Requests).await;
    let told = kafka.records(&topic).await.unwrap().len();
    let labels = ",group=\"requests\"";
    let handled = async || metric(&deployment, "events_group_handled_total", labels).await;
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    while handled().await < Some(told as f64) {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(count(doc! {}).await, 3);
    let text = format!("{:?}", kafka.records(&topic).await.unwrap());
    assert!(!text.contains("crab") && !text.contains(&conversation.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_kafka_holds_up_no_request_and_what_it_cannot_be_told_is_counted() {
    let documents = Arc::new(Documents::start().await.unwrap());
    let kafka = Arc::new(Kafka::start().await.unwrap());
    let deployment =
        deployment::start_with_documents(Some(Arc::clone(&kafka)), Arc::clone(&documents)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let requests = documents.collection("chatbot", "requests").unwrap();
    let until_kept = async |id: &str| {
        let filter = doc! {"request_id": id};
        while requests.count_documents(filter.clone()).await.unwrap() == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let ask = async |id: &str| {
        let request = ada.ask(Method::GET, "/v1/me").header("x-request-id", id);
        request.send().await.unwrap().error_for_status().unwrap();
    };
    ask("before").await;
    until_kept("before").await;

    kafka.kill();
    ask("meanwhile").await;
    let url = deployment.url("/v1/me");
    let strangers = futures::stream::iter(0..MANY).map(async |_| {
        let asked = deployment.http.get(&url).send();
        let answer = tokio::time::timeout(QUICK, asked).await;
        let answer = answer.expect("no request waits for Kafka").unwrap();
        assert_eq!(answer.status(), 401);
    });
    let strangers = strangers.buffer_unordered(16);
    strangers.for_each(|()| std::future::ready(())).await;
    let metrics = deployment.admin(Workload::Gateway, paths::METRICS);
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let mut lines = metrics.lines();
    let line = "chatbot_request_log_dropped_total{workload=\"gateway\"} ";
    let dropped = lines.find_map(|found| found.strip_prefix(line)?.parse::<u64>().ok());
    assert!(dropped.unwrap() > 0, "{metrics}");

    kafka.start_again().await.unwrap();
    // What waited is kept, and so is what comes now.
    until_kept("meanwhile").await;
    ask("after").await;
    until_kept("after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_archive_is_made_again_from_the_database() {
    let documents = Arc::new(Documents::start().await.unwrap());
    // Without a Kafka the archive is fed from the outbox.
    let deployment = deployment::start_with_documents(None, Arc::clone(&documents)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let turn = ada.say("hello").await;
    until_used(&ada, 1).await;
    let mut verified = deployment.documents("verify", &[]).unwrap();
    assert!(
        verified.ended().await.unwrap().success(),
        "{}",
        verified.errors()
    );

    let transcripts = documents.collection("chatbot", "transcripts").unwrap();
    transcripts.delete_many(doc! {}).await.unwrap();
    let mut verified = deployment
        .documents("verify", &["--patience-seconds", "0"])
        .unwrap();
    assert_eq!(verified.ended().await.unwrap().code(), Some(1));
    let conversation = turn.message.conversation_id;
    let missing = format!("message 2 of conversation {conversation} is missing in the archive");
    assert!(
        verified.errors().contains(&missing),
        "{}",
        verified.errors()
    );

    let mut rebuilt = deployment.documents("rebuild", &[]).unwrap();
    assert!(
        rebuilt.ended().await.unwrap().success(),
        "{}",
        rebuilt.errors()
    );
    assert_eq!(turns(&ada).await, 1);
    let mut verified = deployment
        .documents("verify", &["--patience-seconds", "0"])
        .unwrap();
    assert!(
        verified.ended().await.unwrap().success(),
        "{}",
        verified.errors()
    );
    // The database is as it was.
    let path = format!("/v1/conversations/{conversation}/messages");
    let messages: Page<MessageOut> = ada.get(&path).await;
    assert_eq!(messages.data.len(), 2);
}

#[tokio::test]
async fn a_system_without_a_document_store_says_that_it_counts_no_usage() {
    let deployment = deployment::start().await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let (status, refused) = refusal(&ada, "/v1/usage").await;
    assert_eq!(
        (status, refused.error.code),
        (501, ErrorCode::NotConfigured)
    );
    let mut verified = deployment.documents("verify", &[]).unwrap();
    assert!(!verified.ended().await.unwrap().success());
    assert!(
        verified.errors().contains("CHATBOT_DOCUMENTS_HOSTS"),
        "{}",
        verified.errors()
    );
}
