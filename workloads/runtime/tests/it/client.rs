//! Calls between workloads while the other side comes and goes, over a socket and within one process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use chatbot_api::error::ErrorCode;
use chatbot_contract::Workload;
use chatbot_runtime::auth::{Caller, InternalAuth};
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::request_id::RequestId;
use tokio::net::TcpListener;
use uuid::Uuid;

const KEY: [u8; 32] = [5; 32];

/// Answers with what is left of a script, then with the headers it got.
#[derive(Clone)]
struct Other {
    auth: InternalAuth,
    script: Arc<Mutex<VecDeque<ApiError>>>,
}

impl FromRef<Other> for InternalAuth {
    fn from_ref(other: &Other) -> Self {
        other.auth.clone()
    }
}

async fn answer(
    State(other): State<Other>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<[String; 3]>, ApiError> {
    if let Some(error) = other.script.lock().unwrap().pop_front() {
        return Err(error);
    }
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    Ok(Json([
        caller.user.to_string(),
        header("x-request-id"),
        header("idempotency-key"),
    ]))
}

/// The other side twice, each with the script: behind a socket, and in this process.
async fn both(script: &[ErrorCode]) -> [(Client, Other); 2] {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let other = || {
        let errors = script
            .iter()
            .map(|code| ApiError::new(*code, "no").param("field"));
        let other = Other {
            auth: InternalAuth::new(KEY, Workload::Storage),
            script: Arc::new(Mutex::new(errors.collect())),
        };
        let router = Router::new()
            .route("/x", get(answer))
            .route("/x", post(answer))
            .with_state(other.clone());
        (router, other)
    };
    let auth = || InternalAuth::new(KEY, Workload::Gateway);

    let (router, behind_a_socket) = other();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let over_a_socket = Client::new(client::http(), Workload::Storage, base, auth());

    let (router, inside) = other();
    let within = Client::within(router, Workload::Storage, auth());
    [(over_a_socket, behind_a_socket), (within, inside)]
}

fn caller() -> Caller {
    Caller {
        user: Uuid::now_v7(),
        request_id: RequestId::new(),
    }
}

#[tokio::test]
async fn a_call_carries_its_user_its_request_and_its_key() {
    for (client, _) in both(&[]).await {
        let (caller, key) = (caller(), IdempotencyKey::random());
        let seen: [String; 3] = client
            .post("/x", &[])
            .on_behalf_of(&caller)
            .key(&key)
            .receive()
            .await
            .unwrap();
        assert_eq!(
            seen,
            [
                caller.user.to_string(),
                caller.request_id.to_string(),
                key.as_str().to_owned()
            ]
        );
    }
}

#[tokio::test]
async fn an_idempotent_call_waits_for_a_side_that_is_away() {
    let away = [ErrorCode::Unavailable; 3];
    for (client, _) in both(&away).await {
        client
            .get("/x", &[])
            .on_behalf_of(&caller())
            .send()
            .await
            .unwrap();
    }
    for (client, _) in both(&away).await {
        client
            .post("/x", &[])
            .on_behalf_of(&caller())
            .key(&IdempotencyKey::random())
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_call_without_a_key_is_made_once() {
    for (client, other) in both(&[ErrorCode::Unavailable; 2]).await {
        let error = client
            .post("/x", &[])
            .on_behalf_of(&caller())
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert_eq!(other.script.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_error_of_the_other_side_is_passed_on_as_it_is() {
    for (client, _) in both(&[ErrorCode::NotFound]).await {
        let error = client
            .get("/x", &[])
            .on_behalf_of(&caller())
            .send()
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.param.as_deref()),
            (ErrorCode::NotFound, Some("field"))
        );
    }
}

#[tokio::test]
async fn our_own_token_that_is_refused_is_a_defect_and_nobodys_log_in() {
    for (client, _) in both(&[]).await {
        // Without a user, where one is needed.
        let error = client.get("/x", &[]).send().await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
    }
}

#[tokio::test]
async fn a_closed_port_is_given_up_at_the_deadline() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let auth = InternalAuth::new(KEY, Workload::Gateway);
    let base = "http://127.0.0.1:1".parse().unwrap();
    let client = Client::new(client::http(), Workload::Storage, base, auth);
    let call = client.get("/x", &[]).deadline(Duration::from_millis(200));
    assert_eq!(call.send().await.unwrap_err().code, ErrorCode::Unavailable);
}
