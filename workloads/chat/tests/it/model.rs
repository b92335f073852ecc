//! The model API's failures, each with its meaning.

use std::time::Duration;

use chatbot_api::error::ErrorCode;
use chatbot_chat::model::{Model as _, OpenAi};
use chatbot_contract::report::DependencyState;

use crate::fixture::{Fixture, config, install_tls};

async fn code(fixture: &Fixture, message: &str) -> ErrorCode {
    fixture.turn(message).await.end.unwrap_err().code
}

#[tokio::test]
async fn each_error_of_the_api_has_a_meaning() {
    let fixture = Fixture::new().await;
    for (status, expected) in [
        (400, ErrorCode::ModelFailed),
        (401, ErrorCode::ModelMisconfigured),
        (403, ErrorCode::ModelMisconfigured),
        (404, ErrorCode::ModelMisconfigured),
        (413, ErrorCode::TooLarge),
        (422, ErrorCode::ModelFailed),
        (424, ErrorCode::ModelFailed),
        (499, ErrorCode::ModelFailed),
    ] {
        assert_eq!(
            code(&fixture, &format!("x [[mock: status={status}]]")).await,
            expected,
            "{status}"
        );
    }
    assert_eq!(
        fixture.groq.groq.requests().len(),
        8,
        "none of them is tried again"
    );
    for (status, expected) in [
        (429, ErrorCode::ModelRateLimited),
        (498, ErrorCode::ModelRateLimited),
        (500, ErrorCode::ModelFailed),
        (502, ErrorCode::ModelFailed),
        (503, ErrorCode::ModelFailed),
    ] {
        let message = format!("x [[mock: status={status} should_retry=false]]");
        assert_eq!(code(&fixture, &message).await, expected, "{status}");
    }
}

#[tokio::test]
async fn an_error_that_passes_is_not_seen() {
    let fixture = Fixture::new().await;
    let turn = fixture.turn("x [[mock: status=503 times=1]]").await;
    assert_eq!(
        turn.end.unwrap().answer.content,
        "You said: x [[mock: status=503 times=1]]"
    );
    let turn = fixture
        .turn("x [[mock: status=429 retry_after=1 times=1]]")
        .await;
    assert!(turn.end.is_ok());
}

#[tokio::test]
async fn a_long_wait_is_told_to_the_user_instead_of_waited_for() {
    let fixture = Fixture::new().await;
    let error = fixture
        .turn("x [[mock: status=429 retry_after=540]]")
        .await
        .end
        .unwrap_err();
    assert_eq!(
        (error.code, error.retry_after),
        (ErrorCode::ModelRateLimited, Some(Duration::from_secs(540)))
    );
}

#[tokio::test]
async fn another_model_answers_when_the_first_cannot() {
    for first in ["mock-status-429", "mock-status-503", "gone"] {
        let fixture = Fixture::with(|config| {
            config.model = first.to_owned();
            config.fallback_models = vec!["llama-3.1-8b-instant".to_owned()];
        })
        .await;
        fixture.turn("hello").await.end.unwrap();
        assert_eq!(
            fixture.memory.with(|kept| kept.answers[0].model.clone()),
            "llama-3.1-8b-instant",
            "{first}"
        );
    }
}

#[tokio::test]
async fn a_model_that_the_user_asks_for_is_asked_or_named() {
    let fixture = Fixture::new().await;
    fixture
        .turn_with("hello", Some("openai/gpt-oss-20b"))
        .await
        .end
        .unwrap();
    assert_eq!(
        fixture.memory.with(|kept| kept.answers[0].model.clone()),
        "openai/gpt-oss-20b"
    );
    let error = fixture
        .turn_with("hello", Some("gone"))
        .await
        .end
        .unwrap_err();
    assert_eq!(
        (error.code, error.param.as_deref()),
        (ErrorCode::InvalidRequest, Some("model"))
    );
    assert!(error.message.contains("gone"), "{}", error.message);
}

#[tokio::test]
async fn a_stream_that_breaks_ends_the_turn_with_an_error() {
    let fixture = Fixture::new().await;
    for way in ["error_at", "error_event_at", "stopped_at", "cut_at"] {
        let turn = fixture.turn(&format!("a b c [[mock: {way}=3]]")).await;
        assert_eq!(turn.deltas.len(), 3, "{way}");
        assert_eq!(turn.end.unwrap_err().code, ErrorCode::ModelFailed, "{way}");
    }
}

#[tokio::test]
async fn a_model_that_falls_silent_is_given_up() {
    let fixture = Fixture::with(|config| config.patience = Duration::from_millis(300)).await;
    assert_eq!(
        code(&fixture, "x [[mock: hang]]").await,
        ErrorCode::ModelTimeout
    );
    let turn = fixture.turn("x [[mock: stall_at=1]]").await;
    assert_eq!(
        (turn.deltas.len(), turn.end.unwrap_err().code),
        (1, ErrorCode::ModelTimeout)
    );
}

#[tokio::test]
async fn a_corrected_key_is_used_without_a_restart() {
    let fixture = Fixture::new().await;
    std::fs::write(fixture.key_file.path(), "wrong").unwrap();
    assert_eq!(code(&fixture, "hello").await, ErrorCode::ModelMisconfigured);
    let refused = fixture.model.probe().await;
    assert_eq!(
        refused.state,
        DependencyState::Refused,
        "{}",
        refused.message
    );
    std::fs::write(fixture.key_file.path(), "right").unwrap();
    fixture.turn("hello").await.end.unwrap();
    assert_eq!(fixture.model.probe().await.state, DependencyState::Ok);
}

#[tokio::test]
async fn the_probe_tells_what_is_wrong_and_never_the_key() {
    let fixture = Fixture::with(|config| config.model = "gone".to_owned()).await;
    let failing = fixture.model.probe().await;
    assert_eq!(failing.state, DependencyState::Failing);
    assert!(
        failing.message.contains("`gone`") && !failing.message.contains("right"),
        "{}",
        failing.message
    );
    install_tls();
    let nobody = OpenAi::new(config("http://127.0.0.1:1/openai/v1", None))
        .unwrap()
        .probe()
        .await;
    assert_eq!(
        nobody.state,
        DependencyState::Unreachable,
        "{}",
        nobody.message
    );
}
