//! Elections between replicas.

use std::time::Duration;

use chatbot_operator::lease::{Candidate, Timings};

use crate::fake_api::FakeApi;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/chatbot-operator";

/// As fast as whole seconds of duration allow.
const TIMINGS: Timings = Timings {
    duration: Duration::from_secs(1),
    deadline: Duration::from_millis(500),
    retry: Duration::from_millis(5),
    timeout: Duration::from_secs(1),
};

fn candidate(api: &FakeApi, identity: &str) -> Candidate {
    Candidate::new(
        api.client(),
        "default",
        "chatbot-operator",
        identity,
        TIMINGS,
    )
}

fn holder(api: &FakeApi) -> String {
    let lease = api.object(PATH).unwrap_or_default();
    lease["spec"]["holderIdentity"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn of_two_that_start_at_once_one_leads() {
    let api = FakeApi::default();
    let (a, b) = (candidate(&api, "a"), candidate(&api, "b"));
    tokio::select! {
        _ = a.acquire() => assert_eq!(holder(&api), "a"),
        _ = b.acquire() => assert_eq!(holder(&api), "b"),
    }
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_taken_at_once() {
    let api = FakeApi::default();
    let (a, b) = (candidate(&api, "a"), candidate(&api, "b"));
    a.acquire().await;
    a.release().await.unwrap();
    let leadership = b.acquire().await;
    assert!(leadership.holds());
    assert_eq!(holder(&api), "b");
}

#[tokio::test]
async fn a_leader_that_renews_is_not_displaced_and_a_silent_one_is() {
    let api = FakeApi::default();
    let (a, b) = (candidate(&api, "a"), candidate(&api, "b"));
    let leadership = a.acquire().await;
    let taken = tokio::select! {
        _ = b.acquire() => true,
        _ = a.keep(&leadership) => true,
        () = tokio::time::sleep(TIMINGS.duration * 2) => false,
    };
    assert!(!taken, "a leader that renews was displaced");
    // From here on nobody polls `keep`: the leader is paused.
    b.acquire().await;
    assert_eq!(holder(&api), "b");
    assert!(
        !leadership.holds(),
        "a paused leader believes that it may act"
    );
}

#[tokio::test]
async fn a_leader_that_wakes_takes_nothing_back() {
    let api = FakeApi::default();
    let (a, b) = (candidate(&api, "a"), candidate(&api, "b"));
    let leadership = a.acquire().await;
    b.acquire().await;
    // Its next look tells it that the Lease is lost, and giving it back changes nothing.
    a.keep(&leadership).await;
    a.release().await.unwrap();
    assert_eq!(holder(&api), "b");
}
