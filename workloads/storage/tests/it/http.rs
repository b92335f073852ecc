//! The interface over HTTP: who may call, and how errors look.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::internal::{BeginTurnOut, storage};
use chatbot_contract::Workload;
use chatbot_runtime::auth::InternalAuth;
use chatbot_storage::http::{AppState, router};
use chatbot_storage::webhooks::address::Rules;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::backend::{Backend, suite};
use crate::fixture::Fixture;

suite!(
    a_turn_goes_through_the_interface,
    a_reused_key_is_422,
    a_caller_without_the_internal_key_is_refused,
);

struct Interface<B: Backend> {
    router: Router,
    fixture: Fixture<B>,
}

impl<B: Backend> Interface<B> {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let auth = InternalAuth::new([1; 32], Workload::Storage);
        let router = router(AppState::new(
            fixture.all.clone(),
            Rules::default(),
            false,
            auth,
        ));
        Self { router, fixture }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Value,
    ) -> (StatusCode, T) {
        let chat = InternalAuth::new([1; 32], Workload::Chat);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(
                "authorization",
                format!(
                    "Bearer {}",
                    chat.token(Workload::Storage, Some(self.fixture.user))
                ),
            )
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        let bytes = if bytes.is_empty() {
            b"null".to_vec()
        } else {
            bytes.to_vec()
        };
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}

async fn a_turn_goes_through_the_interface<B: Backend>() {
    let interface = Interface::<B>::new().await;
    let body = json!({"conversation_id": null, "message": "hello", "history_limit": 10});
    let (status, begun): (_, BeginTurnOut) = interface
        .call(Method::POST, storage::TURNS, "k", body)
        .await;
    assert_eq!(status, StatusCode::OK);
    let turn = begun.message.turn_id.to_string();
    let answer = json!({"attempt": 1, "content": "x".repeat(1_000_000), "model": "m", "finish_reason": "stop", "usage": null});
    let path = storage::ANSWER.replace("{turn_id}", &turn);
    let (status, _): (_, Value) = interface.call(Method::PUT, &path, "k", answer).await;
    assert_eq!(status, StatusCode::OK, "a long answer fits");
    let path = storage::MESSAGES.replace(
        "{conversation_id}",
        &begun.message.conversation_id.to_string(),
    );
    let (status, page): (_, Value) = interface.call(Method::GET, &path, "k", Value::Null).await;
    assert_eq!(
        (status, page["data"].as_array().unwrap().len()),
        (StatusCode::OK, 2)
    );
    let path = storage::CONVERSATION.replace(
        "{conversation_id}",
        &begun.message.conversation_id.to_string(),
    );
    let (status, _): (_, Value) = interface
        .call(Method::DELETE, &path, "k", Value::Null)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, error): (_, ErrorOut) = interface.call(Method::GET, &path, "k", Value::Null).await;
    assert_eq!(
        (status, error.error.code),
        (StatusCode::NOT_FOUND, ErrorCode::NotFound)
    );
}

async fn a_reused_key_is_422<B: Backend>() {
    let interface = Interface::<B>::new().await;
    for (message, expected) in [
        ("one", StatusCode::OK),
        ("two", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let body = json!({"conversation_id": null, "message": message, "history_limit": 10});
        let (status, _): (_, Value) = interface
            .call(Method::POST, storage::TURNS, "k", body)
            .await;
        assert_eq!(status, expected);
    }
}

async fn a_caller_without_the_internal_key_is_refused<B: Backend>() {
    let interface = Interface::<B>::new().await;
    let request = Request::builder()
        .uri(storage::CONVERSATIONS)
        .body(Body::empty())
        .unwrap();
    let response = interface.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
