//! The interface over HTTP.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::chat;
use chatbot_api::turns::TurnEvent;
use chatbot_chat::http::{AppState, router};
use chatbot_contract::Workload;
use chatbot_runtime::auth::InternalAuth;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::fixture::Fixture;

fn interface(fixture: &Fixture) -> Router {
    let auth = InternalAuth::new([1; 32], Workload::Chat);
    router(AppState {
        turns: fixture.turns.clone(),
        auth,
    })
}

async fn post(router: &Router, body: &Value) -> (StatusCode, Body) {
    let token =
        InternalAuth::new([1; 32], Workload::Gateway).token(Workload::Chat, Some(Uuid::nil()));
    let request = Request::post(chat::TURNS)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("idempotency-key", Uuid::now_v7().to_string())
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    (response.status(), response.into_body())
}

async fn events(body: Body) -> Vec<TurnEvent> {
    let events = body.into_data_stream().eventsource();
    events
        .map(|event| {
            let event = event.unwrap();
            let parsed: TurnEvent = serde_json::from_str(&event.data).unwrap();
            assert_eq!(parsed.name(), event.event);
            parsed
        })
        .collect()
        .await
}

#[tokio::test]
async fn a_stream_is_accepted_deltas_and_done() {
    let fixture = Fixture::new().await;
    let (status, body) = post(
        &interface(&fixture),
        &json!({"message": "a\nb", "stream": true}),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let events = events(body).await;
    assert!(
        matches!(events.first(), Some(TurnEvent::Accepted { message }) if message.content == "a\nb")
    );
    let Some(TurnEvent::Done { turn }) = events.last() else {
        panic!("{events:?}")
    };
    let text: String = events
        .iter()
        .filter_map(|event| {
            if let TurnEvent::Delta { content } = event {
                Some(content.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(text, turn.answer.content);
}

#[tokio::test]
async fn a_stream_that_fails_after_the_message_ends_with_an_error_event() {
    let fixture = Fixture::new().await;
    let request = json!({"message": "x [[mock: status=401]]", "stream": true});
    let (status, body) = post(&interface(&fixture), &request).await;
    assert_eq!(status, StatusCode::OK);
    let events = events(body).await;
    assert!(matches!(events.first(), Some(TurnEvent::Accepted { .. })));
    assert!(
        matches!(events.last(), Some(TurnEvent::Error { error }) if error.code == ErrorCode::ModelMisconfigured)
    );
}

#[tokio::test]
async fn what_is_refused_before_the_message_is_stored_is_an_http_error() {
    let fixture = Fixture::new().await;
    fixture
        .memory
        .with(|kept| kept.refuse_begin = Some(ErrorCode::NotFound));
    let (status, _) = post(
        &interface(&fixture),
        &json!({"message": "x", "stream": true}),
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = post(
        &interface(&fixture),
        &json!({"message": "x", "model": "a b"}),
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(fixture.memory.with(|kept| kept.messages.is_empty()));
}
