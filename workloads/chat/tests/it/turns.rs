//! Turns: what is asked, what is kept, and that an answer outlives its reader.

use chatbot_api::error::ErrorCode;
use futures::StreamExt as _;

use crate::fixture::{Fixture, collect};

#[tokio::test]
async fn an_answer_is_streamed_and_stored() {
    let fixture = Fixture::new().await;
    let turn = fixture.turn("hello crab").await;
    assert!(turn.accepted);
    assert_eq!(turn.deltas, ["You ", "said: ", "hello ", "crab"]);
    let done = turn.end.unwrap();
    assert_eq!(
        (done.answer.content.as_str(), done.finish_reason.as_str()),
        ("You said: hello crab", "stop")
    );
    assert!(done.usage.unwrap().completion_tokens > 0);
    assert_eq!(
        fixture.memory.with(|kept| kept.answers[0].model.clone()),
        "llama-3.3-70b-versatile"
    );
}

#[tokio::test]
async fn the_model_is_asked_with_instructions_history_and_settings() {
    let fixture = Fixture::new().await;
    fixture.turn("one").await.end.unwrap();
    fixture.turn("two").await.end.unwrap();
    let asked = fixture.groq.groq.requests().pop().unwrap();
    let texts: Vec<_> = asked
        .messages
        .iter()
        .map(|(role, text)| (role.as_str(), text.as_str()))
        .collect();
    let expected = [
        ("system", "be brief"),
        ("user", "one"),
        ("assistant", "You said: one"),
        ("user", "two"),
    ];
    assert_eq!(texts, expected);
    assert_eq!(
        (
            asked.body["temperature"].as_f64(),
            asked.body["max_completion_tokens"].as_u64()
        ),
        (Some(0.5), Some(100))
    );
}

#[tokio::test]
async fn an_answer_is_stored_though_nobody_reads_it() {
    let fixture = Fixture::new().await;
    let events = fixture
        .start("k", "hello [[mock: delay_ms=10]]", None)
        .await;
    let mut events = events.unwrap();
    events.next().await.unwrap();
    drop(events);
    fixture.turns.idle().await;
    assert_eq!(
        fixture.memory.with(|kept| kept.answers[0].content.clone()),
        "You said: hello [[mock: delay_ms=10]]"
    );
}

#[tokio::test]
async fn a_repeated_request_gets_the_stored_answer_and_asks_no_model() {
    let fixture = Fixture::new().await;
    let first = collect(fixture.start("k", "hello", None).await)
        .await
        .end
        .unwrap();
    let again = collect(fixture.start("k", "hello", None).await).await;
    assert!(again.accepted);
    assert_eq!(again.deltas.concat(), first.answer.content);
    assert_eq!(again.end.unwrap(), first);
    assert_eq!(fixture.groq.groq.requests().len(), 1);
}

#[tokio::test]
async fn a_message_that_is_not_stored_asks_no_model() {
    let fixture = Fixture::new().await;
    fixture
        .memory
        .with(|kept| kept.refuse_begin = Some(ErrorCode::IdempotencyKeyReused));
    let turn = fixture.turn("hello").await;
    assert!(!turn.accepted);
    assert_eq!(turn.end.unwrap_err().code, ErrorCode::IdempotencyKeyReused);
    assert!(fixture.groq.groq.requests().is_empty());
}

#[tokio::test]
async fn an_attempt_that_was_superseded_says_so() {
    let fixture = Fixture::new().await;
    fixture
        .memory
        .with(|kept| kept.refuse_answer = Some(ErrorCode::Superseded));
    let turn = fixture.turn("hello").await;
    assert!(turn.accepted);
    assert_eq!(turn.end.unwrap_err().code, ErrorCode::Superseded);
}

#[tokio::test]
async fn an_answer_that_failed_is_not_stored() {
    let fixture = Fixture::new().await;
    let turn = fixture.turn("hello [[mock: error_at=2]]").await;
    assert!(turn.accepted);
    assert_eq!(turn.deltas.len(), 2);
    assert_eq!(turn.end.unwrap_err().code, ErrorCode::ModelFailed);
    assert!(fixture.memory.with(|kept| kept.answers.is_empty()));
}
