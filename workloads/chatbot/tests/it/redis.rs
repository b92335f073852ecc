//! What Redis adds, and that nothing is lost with it.

use chatbot_api::accounts::RefreshIn;
use chatbot_api::turns::{CANCELLED, TurnEvent};
use chatbot_testkit::deployment::PAUSE;
use chatbot_testkit::history::load::{self, Options};
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::{read, verify};
use reqwest::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::deployment;
use crate::{Person, end};

#[tokio::test]
async fn a_redis_that_is_emptied_and_killed_under_load_costs_no_message_and_no_request() {
    let deployment = deployment::start().await;
    let mut options = Options::new(deployment.url("").parse().unwrap(), 4);
    options.most_messages = Some(40);
    let mut faults = 0;
    let redis = &deployment.redis;
    let disturbing = async {
        loop {
            redis.flush().await.unwrap();
            redis.kill();
            // For as long as a few requests take, there is none.
            tokio::time::sleep(10 * PAUSE).await;
            redis.start_again().await.unwrap();
            faults += 1;
        }
    };
    let mut ran = tokio::select! {
        ran = load::run(&options, CancellationToken::new()) => ran.unwrap(),
        () = disturbing => unreachable!(),
    };
    let readable = read::everything(&mut ran.clients).await.unwrap();
    let summary = Summary::new(&ran.history, verify::verify(&ran.history, &readable));
    assert!(summary.violations.is_empty(), "{summary}");
    assert_eq!((summary.done, summary.failed()), (160, 0), "{summary}");
    let attempts = ran.history.users.iter().flat_map(|user| &user.messages);
    let failures: Vec<_> = attempts.flat_map(|sent| &sent.failures).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert!(faults >= 3, "only {faults} faults during: {summary}");
}

#[tokio::test]
async fn access_tokens_end_with_their_session() {
    let deployment = deployment::start().await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let me = || ada.ask(Method::GET, "/v1/me").send();
    assert_eq!(me().await.unwrap().status(), StatusCode::OK);
    let logout = ada.ask(Method::POST, "/v1/auth/logout").json(&RefreshIn {
        refresh_token: ada.tokens.refresh_token.clone(),
    });
    assert_eq!(logout.send().await.unwrap().status(), 204);
    assert_eq!(me().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // The hint is all there is: without it the token holds to its end.
    deployment.redis.flush().await.unwrap();
    assert_eq!(me().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_person_stops_an_answer_and_finds_what_was_there() {
    let deployment = deployment::start().await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let message = "slowly [[mock: delay_ms=50 words=100]]";
    let (known, mut turn_id) = tokio::sync::watch::channel(None);
    let reading = ada.stream(message, |event| {
        if let TurnEvent::Accepted { message } = event {
            known.send_replace(Some(message.turn_id));
        }
    });
    let stopping = async {
        let turn = turn_id.wait_for(Option::is_some).await.unwrap().unwrap();
        let path = format!("/v1/chat/{turn}/cancel");
        let stopped = ada.ask(Method::POST, &path).send().await.unwrap();
        assert_eq!(stopped.status(), 204);
        let bob = Person::register(&deployment, "bob@example.org").await;
        let stopped = bob.ask(Method::POST, &path).send().await.unwrap();
        assert_eq!(stopped.status(), 404);
    };
    let (events, ()) = tokio::join!(reading, stopping);
    let (turn, text) = end(&events);
    assert_eq!(
        (turn.finish_reason.as_str(), &text),
        (CANCELLED, &turn.answer.content)
    );
    assert_eq!(
        ada.messages(&turn).await,
        [turn.message.clone(), turn.answer.clone()]
    );
    let path = format!("/v1/chat/{}/events", turn.message.turn_id);
    let again = ada.ask(Method::GET, &path).send().await.unwrap();
    let again = again.error_for_status().unwrap().text().await.unwrap();
    assert!(again.starts_with("event: done\n"), "{again}");
}
