//! Limits as users meet them.

use std::net::IpAddr;
use std::time::Duration;

use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_gateway::limit::{Config, Limits, Shown};
use chatbot_runtime::revocations::Revocations;
use serde_json::json;
use uuid::Uuid;

use crate::behind::{Act, accepted, done};
use crate::limiter::AtRedis;
use crate::server::Gateway;

const TWO: Config = Config {
    requests_per_minute: 2,
    burst: Some(2),
    tokens_per_day: None,
};

const FEW_TOKENS: Config = Config {
    requests_per_minute: 1200,
    burst: None,
    tokens_per_day: Some(2),
};

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    let gateway = Gateway::with(&TWO).await;
    for remaining in [1, 0] {
        let response = gateway.get("/v1/conversations").send().await.unwrap();
        let limit = response.headers()["ratelimit"].to_str().unwrap();
        let expected = format!("\"requests\";r={remaining};t=");
        assert!(limit.starts_with(&expected), "{limit}");
    }
    let refused = gateway.get("/v1/conversations").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(
        refused.headers()["ratelimit-policy"],
        "\"requests\";q=2;w=60"
    );
    assert_eq!(refused.headers()["x-should-retry"], "true");
    let after: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=30).contains(&after), "{after}");
    let error = refused.json::<ErrorOut>().await.unwrap().error;
    assert_eq!(
        (error.code, error.kind.as_str()),
        (ErrorCode::RateLimited, "rate_limit_error")
    );
    assert_eq!(error.retry_after, Some(after));
    let other = gateway.signer.token(Uuid::now_v7(), &[]);
    let response = gateway
        .http
        .get(gateway.url("/v1/conversations"))
        .bearer_auth(other)
        .send()
        .await
        .unwrap();
    assert_ne!(response.status(), 429, "another user");
}

#[tokio::test]
async fn a_stream_is_refused_before_it_begins() {
    let gateway = Gateway::with(&TWO).await;
    for _ in 0..2 {
        gateway.get("/v1/conversations").send().await.unwrap();
    }
    let request = json!({"message": "hello", "stream": true});
    assert_eq!(gateway.chat(&request).send().await.unwrap().status(), 429);
    assert!(gateway.chat.seen().is_empty());
}

#[tokio::test]
async fn tokens_are_counted_though_the_client_went_away() {
    let gateway = Gateway::with(&FEW_TOKENS).await;
    // Twenty letters without a word about tokens count as five.
    let said = vec![accepted(), done("twenty letters here!")];
    gateway.chat.will([Act::Hang(said)]);
    let request = json!({"message": "hello", "stream": true});
    let response = gateway.chat(&request).send().await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    gateway.chat.go_on.notify_one();
    let refused = async {
        loop {
            gateway.chat.will([Act::Say(vec![accepted(), done("")])]);
            let response = gateway.chat(&request).send().await.unwrap();
            if response.status() == 429 {
                return response;
            }
            response.bytes().await.unwrap();
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(5), refused);
    let limit = refused.await.unwrap().headers()["ratelimit"].clone();
    assert!(
        limit.to_str().unwrap().contains("\"tokens\";r=0"),
        "{limit:?}"
    );
}

#[tokio::test]
async fn attempts_that_went_well_do_not_count_against_an_address() {
    let limits = Limits::new(&Config::default(), None).unwrap();
    let (home, other): (IpAddr, IpAddr) =
        ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let shown = Shown::default();
    for _ in 0..1000 {
        let attempt = limits.attempt(home, &shown).await.unwrap();
        attempt.succeeded().await;
    }
    let refused = async {
        loop {
            if let Err(error) = limits.attempt(home, &shown).await {
                return error;
            }
        }
    };
    assert_eq!(refused.await.code, ErrorCode::RateLimited);
    assert!(limits.attempt(other, &shown).await.is_ok());
    // The same address, as an IPv6 socket sees it.
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    assert!(limits.attempt(mapped, &shown).await.is_err());
}

#[tokio::test]
async fn a_wrong_password_counts_and_is_answered_as_before() {
    let gateway = Gateway::start().await;
    let body = json!({"email": "a@b.example", "password": "wrong password"});
    let login = || {
        gateway
            .http
            .post(gateway.url("/v1/auth/login"))
            .header("x-forwarded-for", "192.0.2.9")
            .json(&body)
            .send()
    };
    let first = login().await.unwrap();
    assert_eq!(first.status(), 401);
    let second = login().await.unwrap();
    let remaining = |response: &reqwest::Response| {
        let limit = response.headers()["ratelimit"].to_str().unwrap();
        let (_, rest) = limit.split_once(";r=").unwrap();
        rest.split(';').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(remaining(&second) < remaining(&first));
}

#[tokio::test]
async fn limits_are_shared_while_redis_is_there_and_local_while_it_is_not() {
    let at = AtRedis::start().await;
    let gateways = [(); 2].map(|()| Limits::new(&TWO, Some(at.redis.clone())).unwrap());
    let (user, shown) = (Uuid::now_v7(), Shown::default());
    for gateway in &gateways {
        gateway.request(user, &shown).await.unwrap();
    }
    for gateway in &gateways {
        assert!(gateway.request(user, &shown).await.is_err());
    }
    at.server.kill();
    for gateway in &gateways {
        gateway.request(user, &shown).await.unwrap();
        gateway.request(user, &shown).await.unwrap();
        assert!(gateway.request(user, &shown).await.is_err());
    }
}

#[tokio::test]
async fn a_token_of_an_ended_session_is_refused_at_once() {
    let at = AtRedis::start().await;
    let gateway = Gateway::with_redis(&Config::default(), Some(at.redis.clone())).await;
    let session = Uuid::now_v7();
    let token = gateway
        .signer
        .token(gateway.person, &[("sid", json!(session))]);
    let ask = || {
        let request = gateway.http.get(gateway.url("/v1/conversations"));
        request.bearer_auth(&token).send()
    };
    assert_ne!(ask().await.unwrap().status(), 401);
    Revocations::new(Some(at.redis.clone()))
        .add(session, Duration::from_secs(900))
        .await;
    assert_eq!(ask().await.unwrap().status(), 401);
    at.server.kill();
    assert_ne!(ask().await.unwrap().status(), 401, "nobody knows any more");
}
