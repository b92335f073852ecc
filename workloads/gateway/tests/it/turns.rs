//! Turns over HTTP, whatever happens to the process that answers them.

use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::turns::{TurnEvent, TurnOut};
use serde_json::json;
use uuid::Uuid;

use crate::behind::{Act, accepted, delta, done, failed};
use crate::server::Gateway;

async fn events(response: reqwest::Response) -> Vec<TurnEvent> {
    read(&response.text().await.unwrap())
}

fn read(text: &str) -> Vec<TurnEvent> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test]
async fn events_are_passed_on_and_no_proxy_is_to_hold_them_back() {
    let gateway = Gateway::start().await;
    let said = vec![accepted(), delta("h"), delta("i"), done("hi")];
    gateway.chat.will([Act::Say(said.clone())]);
    let response = gateway
        .chat(&json!({"message": "hello", "stream": true}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(events(response).await, said);
    assert_eq!(gateway.chat.seen()[0].0, gateway.person);
}

#[tokio::test]
async fn a_turn_that_was_not_accepted_is_asked_for_again_unseen() {
    let gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Refuse(ErrorCode::Unavailable),
        Act::Say(vec![]),
        Act::Say(vec![accepted(), done("hi")]),
    ]);
    let request = gateway
        .chat(&json!({"message": "hello", "stream": true}))
        .header("idempotency-key", "k");
    assert_eq!(
        events(request.send().await.unwrap()).await,
        [accepted(), done("hi")]
    );
    let keys: Vec<_> = gateway
        .chat
        .seen()
        .into_iter()
        .map(|(_, key, _)| key)
        .collect();
    assert_eq!(keys, ["k", "k", "k"]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_begun_again_under_the_same_key() {
    let gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Break(vec![accepted(), delta("h")]),
        Act::Refuse(ErrorCode::Unavailable),
        Act::Say(vec![accepted(), failed(ErrorCode::Unavailable)]),
        Act::Say(vec![accepted(), delta("hi"), done("hi")]),
    ]);
    let mut response = gateway
        .chat(&json!({"message": "hello", "stream": true}))
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("event: delta") {
        text.push_str(str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    gateway.chat.go_on.notify_one();
    text.push_str(&response.text().await.unwrap());
    let expected = [
        accepted(),
        delta("h"),
        TurnEvent::Restarted {},
        delta("hi"),
        done("hi"),
    ];
    assert_eq!(read(&text), expected);
    let seen = gateway.chat.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|(_, key, _)| *key == seen[0].1));
}

#[tokio::test]
async fn a_whole_answer_survives_the_process_that_makes_it() {
    let gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Say(vec![]),
        Act::Refuse(ErrorCode::Unavailable),
        Act::Say(vec![done("hi")]),
    ]);
    let turn: TurnOut = gateway
        .chat(&json!({"message": "hello"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(turn.answer.content, "hi");
}

#[tokio::test]
async fn what_fails_before_the_message_is_stored_is_an_http_error() {
    let gateway = Gateway::start().await;
    gateway
        .chat
        .will([Act::Refuse(ErrorCode::IdempotencyKeyReused)]);
    let response = gateway
        .chat(&json!({"message": "hello", "stream": true}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 422);
    assert_eq!(
        response.json::<ErrorOut>().await.unwrap().error.code,
        ErrorCode::IdempotencyKeyReused
    );
}

#[tokio::test]
async fn a_model_that_fails_is_the_last_event() {
    let gateway = Gateway::start().await;
    let said = vec![accepted(), delta("h"), failed(ErrorCode::ModelFailed)];
    gateway.chat.will([Act::Say(said.clone())]);
    let response = gateway
        .chat(&json!({"message": "hello", "stream": true}))
        .send()
        .await
        .unwrap();
    assert_eq!(events(response).await, said);
}

#[tokio::test]
async fn a_running_answer_ends_before_the_process_does() {
    let mut gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Hang(vec![accepted()]),
        Act::Say(vec![accepted(), done("hi")]),
    ]);
    let response = gateway
        .chat(&json!({"message": "hello", "stream": true}))
        .send()
        .await
        .unwrap();
    gateway.stop();
    gateway.chat.go_on.notify_one();
    assert_eq!(events(response).await, [accepted(), done("hi")]);
    gateway.ended().await;
}

fn resume(gateway: &Gateway, last: Option<&str>) -> reqwest::RequestBuilder {
    let request = gateway.get(&format!("/v1/chat/{}/events", Uuid::nil()));
    match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    }
}

#[tokio::test]
async fn events_have_ids_and_a_stream_goes_on_after_one() {
    let gateway = Gateway::start().await;
    gateway.chat.will([Act::Say(vec![delta("i"), done("hi")])]);
    let response = resume(&gateway, Some("1-2")).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert_eq!(read(&text), [delta("i"), done("hi")]);
    assert!(text.contains("id: 1-1\n"), "{text}");
    let asked = gateway.chat.resumed.lock().unwrap().clone();
    assert_eq!(asked, [(Uuid::nil(), Some("1-2".to_owned()))]);
}

#[tokio::test]
async fn a_resumed_stream_survives_its_process_and_goes_on_where_it_was() {
    let gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Break(vec![accepted(), delta("h")]),
        Act::Say(vec![delta("i"), done("hi")]),
    ]);
    let mut response = resume(&gateway, None).send().await.unwrap();
    let mut text = String::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.push_str(str::from_utf8(&chunk).unwrap());
        if read(&text) == [accepted(), delta("h")] {
            gateway.chat.go_on.notify_one();
        }
    }
    let said = [accepted(), delta("h"), delta("i"), done("hi")];
    assert_eq!(read(&text), said);
    let asked = gateway.chat.resumed.lock().unwrap().clone();
    assert_eq!(asked[1].1.as_deref(), Some("1-2"));
}

#[tokio::test]
async fn who_goes_on_with_an_answer_that_was_begun_again_is_told_to_forget() {
    let gateway = Gateway::start().await;
    let said = vec![accepted(), delta("hi"), done("hi")];
    gateway.chat.will([Act::Say(said)]);
    let response = resume(&gateway, Some("1-2")).send().await.unwrap();
    assert_eq!(
        events(response).await,
        [TurnEvent::Restarted {}, delta("hi"), done("hi")]
    );
}

#[tokio::test]
async fn what_names_no_event_is_refused() {
    let gateway = Gateway::start().await;
    let response = resume(&gateway, Some("seven")).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let error = response.json::<ErrorOut>().await.unwrap().error;
    assert_eq!(error.param.as_deref(), Some("last-event-id"));
}

#[tokio::test]
async fn an_answer_is_stopped_by_its_turn() {
    let gateway = Gateway::start().await;
    let path = format!("/v1/chat/{}/cancel", Uuid::nil());
    let request = gateway.http.post(gateway.url(&path));
    let response = request.bearer_auth(gateway.token()).send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(*gateway.chat.cancelled.lock().unwrap(), [Uuid::nil()]);
}
