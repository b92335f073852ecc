//! Webhooks of the whole product: from what a person says to a receiver, with everything between them killed.

use std::sync::Arc;

use chatbot_contract::Workload;
use chatbot_contract::environment as env;
use chatbot_contract::events::Topic;
use chatbot_testkit::deployment::PAUSE;
use chatbot_testkit::kafka::Kafka;
use chatbot_testkit::person::Person;
use chatbot_testkit::receiver::{Act, Received, Receiver};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::deployment;
use crate::events::tell_again;
use crate::standalone::Standalone;

async fn standalone() -> Standalone {
    Standalone::start_with(&[
        (env::WEBHOOKS_ALLOW_HTTP, "true".to_owned()),
        (env::WEBHOOKS_ALLOWED_NETWORKS, "127.0.0.0/8".to_owned()),
    ])
    .await
}

/// Sends a request, and gives the status and the JSON of the answer.
async fn call(person: &Person, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let path = format!("/v1/webhooks{path}");
    let request = person.request(method, &path).json(&body);
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}

/// Makes a webhook; gives its path and its secret.
async fn webhook(person: &Person, url: &str) -> (String, String) {
    let (status, made) = call(person, Method::POST, "", json!({"url": url})).await;
    assert_eq!(status, 201, "{made}");
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (format!("/{}", text("id")), text("secret"))
}

async fn deliveries(person: &Person, webhook: &str) -> Vec<Value> {
    let path = format!("{webhook}/deliveries");
    let (_, page) = call(person, Method::GET, &path, json!({})).await;
    page["data"].as_array().unwrap().clone()
}

/// Whether there are messages, and an attempt is noted of each.
async fn tried(person: &Person, webhook: &str) -> bool {
    let all = deliveries(person, webhook).await;
    !all.is_empty() && all.iter().all(|one| one["attempts"] != 0)
}

fn types(received: &[Received]) -> Vec<String> {
    let kind = |one: &Received| one.json()["type"].as_str().unwrap().to_owned();
    received.iter().map(kind).collect()
}

#[tokio::test]
async fn what_a_person_says_arrives_signed_and_without_its_text() {
    let standalone = standalone().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let (path, secret) = webhook(&person, &receiver.url()).await;
    let turn = person.ask(None, "the secret of the crab").await.unwrap();
    let received = receiver.wait_for(2).await;
    let mut kinds = types(&received);
    kinds.sort_unstable();
    assert_eq!(kinds, ["answer.created", "message.created"]);
    for message in &received {
        assert!(message.is_signed_with(&secret));
        assert!(!String::from_utf8_lossy(&message.body).contains("crab"));
        let conversation = &message.json()["data"]["conversation_id"];
        assert_eq!(conversation, &json!(turn.message.conversation_id));
    }
    let (status, test) = call(&person, Method::POST, &format!("{path}/test"), json!({})).await;
    assert_eq!(status, 202);
    assert_eq!(receiver.wait_for(3).await[2].id(), test["webhook_id"]);
    let listed = async || deliveries(&person, &path).await;
    while listed()
        .await
        .iter()
        .any(|one| one["status"] != "delivered")
    {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(listed().await.len(), 3);

    let (status, _) = call(&person, Method::DELETE, &path, json!({})).await;
    assert_eq!(status, 204);
    let (status, _) = call(&person, Method::GET, &path, json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_message_outlives_the_process_and_arrives_when_the_receiver_is_well() {
    let mut standalone = standalone().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let receiver = Receiver::start(Act::Answer(StatusCode::SERVICE_UNAVAILABLE))
        .await
        .unwrap();
    let (path, secret) = webhook(&person, &receiver.url()).await;
    person.ask(None, "hello").await.unwrap();
    let before = receiver.wait_for(2).await;
    // What a process has in hand when it dies is sent again, too, but only after its lease.
    while !tried(&person, &path).await {
        tokio::time::sleep(PAUSE).await;
    }
    standalone.start_again().await;
    receiver.act(Act::Answer(StatusCode::OK));
    // Each of the two again, by the process that was started after them.
    let all = loop {
        let all = receiver.received();
        let again = |one: &&Received| all.iter().filter(|other| other.id() == one.id()).count() > 1;
        if before.iter().filter(again).count() == 2 {
            break all;
        }
        tokio::time::sleep(PAUSE).await;
    };
    assert!(all.iter().all(|message| message.is_signed_with(&secret)));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_for_its_user_to_see() {
    let standalone = standalone().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let receiver = Receiver::start(Act::Answer(StatusCode::GONE))
        .await
        .unwrap();
    let (path, _) = webhook(&person, &receiver.url()).await;
    person.ask(None, "hello").await.unwrap();
    loop {
        let (_, seen) = call(&person, Method::GET, &path, json!({})).await;
        if seen["disabled"] == true {
            assert_eq!(seen["disabled_reason"], "gone");
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let enable = json!({"disabled": false});
    let (status, seen) = call(&person, Method::PATCH, &path, enable).await;
    assert_eq!((status, &seen["disabled"]), (StatusCode::OK, &json!(false)));
}

#[tokio::test]
async fn nobody_reaches_what_is_inside_by_a_webhook() {
    let standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[fe80::1]/",
        "https://169.254.169.254/",
        "https://localhost/",
    ] {
        let (status, refused) = call(&person, Method::POST, "", json!({"url": url})).await;
        assert_eq!(status, 400, "{url}: {refused}");
        assert_eq!(refused["error"]["param"], "url", "{url}");
    }
}

#[tokio::test]
async fn a_topic_that_is_told_again_sends_nothing_twice() {
    let kafka = Kafka::shared().await.unwrap();
    let mut deployment = deployment::start_with_kafka(Arc::clone(&kafka)).await;
    let person = Person::register(&deployment.url("")).await.unwrap();
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let (path, _) = webhook(&person, &receiver.url()).await;
    let turn = person.ask(None, "hello").await.unwrap();
    receiver.wait_for(2).await;

    tell_again(&deployment, &kafka, Topic::Events).await;
    deployment.crash(Workload::Storage).await.unwrap();
    // Of the same conversation, so it comes after what was told again.
    let conversation = turn.message.conversation_id;
    person.ask(Some(conversation), "and again").await.unwrap();
    let received = receiver.wait_for(4).await;
    let mut ids: Vec<_> = received.iter().map(|message| message.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert_eq!(deliveries(&person, &path).await.len(), 4);
}

#[tokio::test]
async fn without_kafka_a_cluster_makes_no_webhooks_and_says_so() {
    let deployment = deployment::start().await;
    let person = Person::register(&deployment.url("")).await.unwrap();
    let body = json!({"url": "https://example.com/"});
    let (status, refused) = call(&person, Method::POST, "", body).await;
    assert_eq!(status, 501);
    assert_eq!(refused["error"]["code"], "not_configured");
    let (status, none) = call(&person, Method::GET, "", json!({})).await;
    assert_eq!((status, &none["data"]), (StatusCode::OK, &json!([])));
}
