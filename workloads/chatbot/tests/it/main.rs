//! The whole product: the binary once for each workload with a real MySQL and a stand-in for the model, or once for all of them.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod archive;
mod deployment;
mod events;
mod mails;
mod redis;
mod standalone;
mod webhooks;

use chatbot_api::accounts::{RegisterIn, TokensOut};
use chatbot_api::conversations::{ConversationOut, MessageOut, Page};
use chatbot_api::turns::{TurnEvent, TurnOut};
use chatbot_contract::Workload;
use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_testkit::deployment::{Deployment, PAUSE};
use chatbot_testkit::history::load::{self, Options};
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::{read, verify};
use reqwest::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Someone who has registered.
struct Person<'a> {
    at: &'a Deployment,
    tokens: TokensOut,
}

impl<'a> Person<'a> {
    async fn register(at: &'a Deployment, email: &str) -> Self {
        let request = RegisterIn {
            email: email.to_owned(),
            password: "correct horse".to_owned(),
            display_name: None,
        };
        let response = at
            .http
            .post(at.url("/v1/auth/register"))
            .json(&request)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        Self {
            at,
            tokens: response.json().await.unwrap(),
        }
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.at
            .http
            .request(method, self.at.url(path))
            .bearer_auth(&self.tokens.access_token)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        self.ask(Method::GET, path)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn say(&self, message: &str) -> TurnOut {
        let request = self
            .ask(Method::POST, "/v1/chat")
            .json(&json!({"message": message}));
        request
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Reads a streamed answer; `on` is told of each event while the stream runs.
    async fn stream(&self, message: &str, mut on: impl FnMut(&TurnEvent)) -> Vec<TurnEvent> {
        let request = self
            .ask(Method::POST, "/v1/chat")
            .json(&json!({"message": message, "stream": true}));
        let mut response = request.send().await.unwrap().error_for_status().unwrap();
        let (mut text, mut events) = (String::new(), Vec::new());
        while let Some(chunk) = response.chunk().await.unwrap() {
            text.push_str(str::from_utf8(&chunk).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                if let Some((_, data)) = event.split_once("data: ") {
                    let event = serde_json::from_str(data).unwrap();
                    on(&event);
                    events.push(event);
                }
                text = rest.to_owned();
            }
        }
        events
    }

    async fn messages(&self, turn: &TurnOut) -> Vec<MessageOut> {
        let conversation = turn.message.conversation_id;
        self.get::<Page<MessageOut>>(&format!("/v1/conversations/{conversation}/messages"))
            .await
            .data
    }
}

/// The turn of the last event, and the text of the pieces that count.
fn end(events: &[TurnEvent]) -> (TurnOut, String) {
    let mut text = String::new();
    for event in events {
        match event {
            TurnEvent::Delta { content } => text.push_str(content),
            TurnEvent::Restarted {} => text.clear(),
            TurnEvent::Done { turn } => return ((**turn).clone(), text),
            TurnEvent::Accepted { .. } => {}
            TurnEvent::Error { error } => panic!("{error:?}"),
        }
    }
    panic!("no last event: {events:?}");
}

#[tokio::test]
async fn a_person_registers_asks_reads_and_deletes() {
    let deployment = deployment::start().await;
    let ada = Person::register(&deployment, "ada@example.org").await;
    let turn = ada.say("hello").await;
    assert_eq!(turn.answer.content, "You said: hello");
    let (streamed, text) = end(&ada.stream("again", |_| ()).await);
    assert_eq!(text, streamed.answer.content);

    let conversations: Page<ConversationOut> = ada.get("/v1/conversations").await;
    assert_eq!(conversations.data.len(), 2);
    assert_eq!(
        ada.messages(&turn).await,
        [turn.message.clone(), turn.answer.clone()]
    );

    let path = format!("/v1/conversations/{}", turn.message.conversation_id);
    let bob = Person::register(&deployment, "bob@example.org").await;
    assert_eq!(
        bob.ask(Method::GET, &path).send().await.unwrap().status(),
        404
    );
    assert_eq!(
        bob.ask(Method::DELETE, &path)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(
        ada.ask(Method::DELETE, &path)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(
        ada.ask(Method::GET, &path).send().await.unwrap().status(),
        404
    );
}

#[tokio::test]
async fn a_killed_chat_process_costs_a_reading_person_nothing() {
    let mut deployment = deployment::start().await;
    let mut chat = deployment.take(Workload::Chat).unwrap();
    let ada = Person::register(&deployment, "ada@example.org").await;
    let message = "slowly [[mock: delay_ms=50 words=40]]";
    let mut killed = false;
    let events = ada
        .stream(message, |event| {
            if matches!(event, TurnEvent::Delta { .. }) && !std::mem::replace(&mut killed, true) {
                chat.kill_and_start_again().unwrap();
            }
        })
        .await;
    assert!(events.contains(&TurnEvent::Restarted {}), "{events:?}");
    let accepted = events
        .iter()
        .filter(|event| matches!(event, TurnEvent::Accepted { .. }))
        .count();
    assert_eq!(accepted, 1);
    let (turn, text) = end(&events);
    assert_eq!(text, turn.answer.content);
    assert_eq!(
        ada.messages(&turn).await,
        [turn.message.clone(), turn.answer.clone()]
    );
}

#[tokio::test]
async fn processes_that_crash_under_load_lose_no_message_and_fail_no_request() {
    let mut deployment = deployment::start().await;
    let mut options = Options::new(deployment.url("").parse().unwrap(), 4);
    options.most_messages = Some(25);
    let mut crashes = 0;
    let crashing = async {
        loop {
            for workload in [Workload::Chat, Workload::Storage, Workload::User] {
                deployment.crash(workload).await.unwrap();
                crashes += 1;
            }
        }
    };
    let mut ran = tokio::select! {
        ran = load::run(&options, CancellationToken::new()) => ran.unwrap(),
        () = crashing => unreachable!(),
    };
    // Whoever was being started when the load ended.
    for workload in Workload::ALL {
        deployment.wait_until_ready(workload).await.unwrap();
    }
    let readable = read::everything(&mut ran.clients).await.unwrap();
    let summary = Summary::new(&ran.history, verify::verify(&ran.history, &readable));
    assert!(summary.violations.is_empty(), "{summary}");
    assert_eq!((summary.done, summary.failed()), (100, 0), "{summary}");
    assert!(crashes >= 3, "only {crashes} crashes during: {summary}");
    println!("{crashes} crashes: {summary}");
}

#[tokio::test]
async fn every_workload_stops_in_order_when_it_is_asked_to() {
    let mut deployment = deployment::start().await;
    for workload in Workload::ALL {
        let mut process = deployment.take(workload).unwrap();
        process.terminate().unwrap();
        assert!(process.ended().await.unwrap().success(), "{workload}");
    }
}

#[tokio::test]
async fn the_workloads_say_how_their_dependencies_are() {
    let deployment = deployment::start().await;
    for (workload, name) in [
        (Workload::User, DependencyName::Mysql),
        (Workload::Storage, DependencyName::Mysql),
        (Workload::Chat, DependencyName::Model),
        (Workload::Chat, DependencyName::Redis),
        (Workload::Gateway, DependencyName::Redis),
        (Workload::User, DependencyName::Redis),
    ] {
        let url = deployment.admin(workload, chatbot_contract::paths::REPORT);
        // The first look may still be going on.
        let seen = loop {
            let report: Report = reqwest::get(&url).await.unwrap().json().await.unwrap();
            match report
                .dependencies
                .into_iter()
                .find(|dependency| dependency.name == name)
            {
                Some(seen) if seen.state != DependencyState::Unknown => break seen,
                _ => tokio::time::sleep(PAUSE).await,
            }
        };
        assert_eq!(
            seen.state,
            DependencyState::Ok,
            "{workload}: {}",
            seen.message
        );
    }
}

#[tokio::test]
async fn a_migration_that_runs_again_changes_nothing() {
    let deployment = deployment::start().await;
    assert!(
        deployment
            .migrate()
            .unwrap()
            .ended()
            .await
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_named() {
    let deployment = deployment::start().await;
    let process = deployment.broken(
        Workload::User,
        "CHATBOT_SIGNING_KEYS_FILE",
        "/nowhere/keys.json",
    );
    let mut process = process.unwrap();
    assert_eq!(process.ended().await.unwrap().code(), Some(78));
    let said = process.errors();
    assert!(
        said.contains("CHATBOT_SIGNING_KEYS_FILE") && said.contains("/nowhere/keys.json"),
        "{said}"
    );
}
