//! The archive of a whole system, with the document store killed in between.

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::conversations::{MessageOut, Page};
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::usage::UsageOut;
use chatbot_contract::report::{DependencyName, DependencyState};
use chatbot_contract::{Workload, paths};
use chatbot_testkit::documents::Documents;
use chatbot_testkit::kafka::Kafka;
use mongodb::bson::doc;
use reqwest::Method;

use crate::Person;
use crate::deployment::Deployment;
use crate::events::metric;
use crate::process::PAUSE;

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
    let deployment = Deployment::start_with_documents(Some(kafka), Arc::clone(&documents)).await;
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
    seen(DependencyState::Unreachable).await;
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
    seen(DependencyState::Ok).await;

    let path = format!("/v1/conversations/{}", first.message.conversation_id);
    ada.ask(Method::DELETE, &path).send().await.unwrap();
    until_used(&ada, 1).await;
    let (status, refused) = refusal(&ada, "/v1/usage?from=2026-02-30").await;
    assert_eq!(
        (status, refused.error.code),
        (400, ErrorCode::InvalidRequest)
    );
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
        Deployment::start_with_documents(Some(Arc::clone(&kafka)), documents).await;
    Person::register(&deployment, "ada@example.org")
        .await
        .say("before")
        .await;
    until_archived(&deployment, 2.0).await;

    kafka.kill();
    deployment.crash(Workload::Storage).await;
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
async fn a_lost_archive_is_made_again_from_the_database() {
    let documents = Arc::new(Documents::start().await.unwrap());
    // Without a Kafka the archive is fed from the outbox.
    let deployment = Deployment::start_with_documents(None, Arc::clone(&documents)).await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let turn = ada.say("hello").await;
    until_used(&ada, 1).await;
    let mut verified = deployment.documents("verify", &[]);
    assert!(verified.ended().await.success(), "{}", verified.errors());

    let transcripts = documents.collection("chatbot", "transcripts").unwrap();
    transcripts.delete_many(doc! {}).await.unwrap();
    let mut verified = deployment.documents("verify", &["--patience-seconds", "0"]);
    assert_eq!(verified.ended().await.code(), Some(1));
    let conversation = turn.message.conversation_id;
    let missing = format!("message 2 of conversation {conversation} is missing in the archive");
    assert!(
        verified.errors().contains(&missing),
        "{}",
        verified.errors()
    );

    let mut rebuilt = deployment.documents("rebuild", &[]);
    assert!(rebuilt.ended().await.success(), "{}", rebuilt.errors());
    assert_eq!(turns(&ada).await, 1);
    let mut verified = deployment.documents("verify", &["--patience-seconds", "0"]);
    assert!(verified.ended().await.success(), "{}", verified.errors());
    // The database is as it was.
    let path = format!("/v1/conversations/{conversation}/messages");
    let messages: Page<MessageOut> = ada.get(&path).await;
    assert_eq!(messages.data.len(), 2);
}

#[tokio::test]
async fn a_system_without_a_document_store_says_that_it_counts_no_usage() {
    let deployment = Deployment::start().await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let (status, refused) = refusal(&ada, "/v1/usage").await;
    assert_eq!(
        (status, refused.error.code),
        (501, ErrorCode::NotConfigured)
    );
    let mut verified = deployment.documents("verify", &[]);
    assert!(!verified.ended().await.success());
    assert!(
        verified.errors().contains("CHATBOT_DOCUMENTS_HOSTS"),
        "{}",
        verified.errors()
    );
}
