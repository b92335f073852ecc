//! Who is let in, and what the answers look like.

use chatbot_api::error::{ErrorCode, ErrorOut};
use serde_json::json;
use uuid::Uuid;

use crate::behind::{Act, done};
use crate::server::{Gateway, Signer};

async fn refusal(response: reqwest::Response) -> (u16, ErrorCode) {
    let status = response.status().as_u16();
    (
        status,
        response.json::<ErrorOut>().await.unwrap().error.code,
    )
}

#[tokio::test]
async fn only_a_valid_token_lets_one_in() {
    let gateway = Gateway::start().await;
    let stranger = Signer::new("k1");
    let person = gateway.person;
    for token in [
        "x".to_owned(),
        stranger.token(person, &[]),
        Signer::new("k9").token(person, &[]),
        gateway
            .signer
            .token(person, &[("iss", json!("https://other.example"))]),
        gateway.signer.token(person, &[("aud", json!("other"))]),
        gateway.signer.token(person, &[("exp", json!(1))]),
    ] {
        let response = gateway
            .http
            .get(gateway.url("/v1/me"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(refusal(response).await, (401, ErrorCode::Unauthenticated));
    }
    let without = gateway
        .http
        .get(gateway.url("/v1/me"))
        .send()
        .await
        .unwrap();
    assert_eq!(refusal(without).await, (401, ErrorCode::Unauthenticated));
}

#[tokio::test]
async fn a_token_of_a_new_key_is_taken_as_soon_as_the_key_is_published() {
    let gateway = Gateway::start().await;
    let newer = Signer::new("k2");
    gateway
        .user
        .keys
        .lock()
        .unwrap()
        .keys
        .push(newer.published());
    let path = format!("/v1/conversations/{}/messages", Uuid::nil());
    let ask = || {
        gateway
            .http
            .get(gateway.url(&path))
            .bearer_auth(newer.token(gateway.person, &[]))
            .send()
    };
    // At most one fetch a second: the first one may just have been.
    while ask().await.unwrap().status() == 401 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_gateway_is_ready_when_it_has_the_key_set() {
    let gateway = Gateway::start().await;
    let ready = format!("http://{}/readyz", gateway.admin);
    while reqwest::get(&ready).await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
    let live = reqwest::get(format!("http://{}/livez", gateway.admin))
        .await
        .unwrap();
    assert_eq!(live.status(), 200);
}

#[tokio::test]
async fn a_cursor_is_passed_on_as_it_is() {
    let gateway = Gateway::start().await;
    let path = format!(
        "/v1/conversations/{}/messages?cursor=a%2Bb&limit=7",
        Uuid::nil()
    );
    let response = gateway.get(&path).send().await.unwrap();
    let error = response.json::<ErrorOut>().await.unwrap().error;
    assert_eq!(
        error.message,
        format!(
            "/internal/v1/conversations/{}/messages?cursor=a%2Bb&limit=7",
            Uuid::nil()
        )
    );
}

#[tokio::test]
async fn the_errors_of_a_workload_reach_the_user() {
    let gateway = Gateway::start().await;
    let body = json!({"email": "a@b.example", "password": "wrong password"});
    let response = gateway
        .http
        .post(gateway.url("/v1/auth/login"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(
        refusal(response).await,
        (401, ErrorCode::InvalidCredentials)
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_a_documented_error() {
    let gateway = Gateway::start().await;
    let post = || {
        gateway
            .http
            .post(gateway.url("/v1/chat"))
            .bearer_auth(gateway.token())
    };
    let large = json!({"message": "a".repeat(300 * 1024)});
    for (request, expected) in [
        (gateway.get("/nowhere"), (404, ErrorCode::NotFound)),
        (gateway.get("/v1/chat"), (405, ErrorCode::MethodNotAllowed)),
        (
            gateway.get("/v1/conversations/x"),
            (404, ErrorCode::NotFound),
        ),
        (
            gateway.get("/v1/conversations?limit=x"),
            (400, ErrorCode::InvalidRequest),
        ),
        (gateway.get("/v1/ws"), (400, ErrorCode::InvalidRequest)),
        (post().body("{}"), (415, ErrorCode::UnsupportedMediaType)),
        (
            post().header("content-type", "application/json").body("{"),
            (400, ErrorCode::InvalidRequest),
        ),
        (
            post().json(&json!({"message": "a", "temperature": 1})),
            (400, ErrorCode::InvalidRequest),
        ),
        (post().json(&large), (413, ErrorCode::TooLarge)),
        (
            post()
                .header("idempotency-key", "a b")
                .json(&json!({"message": "a"})),
            (400, ErrorCode::InvalidRequest),
        ),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(
            refusal(request.send().await.unwrap()).await,
            expected,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_page_runs_nothing_that_is_not_its_own() {
    let gateway = Gateway::start().await;
    let page = gateway.http.get(gateway.url("/")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let tag = page.headers()["etag"].clone();
    let again = gateway
        .http
        .get(gateway.url("/"))
        .header("if-none-match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 304);
    let script = gateway
        .http
        .get(gateway.url("/assets/app.js"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        script.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
}

#[tokio::test]
async fn a_request_keeps_its_id_and_is_counted() {
    let gateway = Gateway::start().await;
    gateway.chat.will([Act::Say(vec![done("hi")])]);
    let request = gateway
        .chat(&json!({"message": "hello"}))
        .header("x-request-id", "mine-1");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "mine-1");
    response.bytes().await.unwrap();
    let metrics = reqwest::get(format!("http://{}/metrics", gateway.admin))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = "chatbot_http_requests_total{workload=\"gateway\",route=\"/v1/chat\",method=\"POST\",status=\"200\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn the_description_is_the_committed_one() {
    let committed = include_str!("../../../../docs/openapi.json");
    assert_eq!(
        chatbot_gateway::openapi::json(),
        committed,
        "run `chatbot openapi > docs/openapi.json`"
    );
}
