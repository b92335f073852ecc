//! The whole checker: load, reading back, comparison, numbers.

use std::time::Duration;

use chatbot_testkit::history::load::{self, Options};
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::verify::{Violation, verify};
use chatbot_testkit::history::{History, read};
use tokio_util::sync::CancellationToken;

use crate::deployment::{Deployment, Fault};

/// Messages after which a run has seen enough, of all users.
const ENOUGH: usize = 60;

async fn check(fault: Fault) -> (History, Summary) {
    let deployment = Deployment::new(fault).await;
    let options = Options {
        conversation_length: 3,
        pause: Duration::ZERO,
        most_messages: Some(ENOUGH / 3),
        ..Options::new(deployment.url.clone(), 3)
    };
    let mut ran = load::run(&options, CancellationToken::new()).await.unwrap();
    let readable = read::everything(&mut ran.clients).await.unwrap();
    let violations = verify(&ran.history, &readable);
    let summary = Summary::new(&ran.history, violations);
    (ran.history, summary)
}

#[tokio::test]
async fn a_deployment_that_keeps_its_promise_passes() {
    let (history, summary) = check(Fault::None).await;
    assert_eq!(summary.violations, []);
    assert_eq!(
        (summary.sent, summary.done, summary.failed()),
        (ENOUGH, ENOUGH, 0)
    );
    assert!(history.users.iter().all(|user| !user.deleted.is_empty()));
}

#[tokio::test]
async fn failed_attempts_are_counted_and_sent_again_without_doubling() {
    let (_, summary) = check(Fault::Unlucky).await;
    assert_eq!(summary.violations, []);
    assert_eq!(summary.done, ENOUGH);
    assert!(
        summary.failed_attempts.contains_key("503 unavailable"),
        "{summary}"
    );
    assert!(
        summary.failed_attempts.contains_key("stream ended early"),
        "{summary}"
    );
}

#[tokio::test]
async fn a_deployment_that_loses_a_message_is_caught() {
    let (_, summary) = check(Fault::Loses).await;
    assert!(
        summary
            .violations
            .iter()
            .any(|violation| matches!(violation, Violation::Lost(_))),
        "{summary}"
    );
}

#[tokio::test]
async fn a_deployment_that_doubles_a_message_is_caught() {
    let (_, summary) = check(Fault::Doubles).await;
    assert!(
        summary
            .violations
            .iter()
            .any(|violation| matches!(violation, Violation::Doubled(_))),
        "{summary}"
    );
}

#[tokio::test]
async fn a_deployment_that_keeps_what_was_deleted_is_caught() {
    let (_, summary) = check(Fault::KeepsDeleted).await;
    assert!(
        summary
            .violations
            .iter()
            .any(|violation| matches!(violation, Violation::Resurrected(_))),
        "{summary}"
    );
}
