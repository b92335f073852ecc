//! Components taken through their steps.

use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_crds::ChatbotDeployment;
use chatbot_operator::components::identity::Identity;
use chatbot_operator::components::mail_server::MailServer;
use chatbot_operator::components::workload::WorkloadComponent;
use chatbot_operator::context::Context;
use chatbot_operator::controller::Reconciler;
use chatbot_operator::lease::{Leadership, Timings};
use chatbot_operator::metrics::Metrics;
use chatbot_operator::outcome::Outcome;
use chatbot_operator::pipeline::Pipeline;
use chatbot_operator::settings::Settings;
use chatbot_operator::summary::Summary;
use chatbot_operator::watch::Watches;
use clap::Parser;
use kube::runtime::events::Recorder;
use serde_json::{Value, json};

use crate::fake_api::FakeApi;

const OBJECT: &str = "/apis/chatbot.rs/v1alpha1/namespaces/default/chatbotdeployments/shop";
const IDENTITY: &str = "/api/v1/namespaces/default/secrets/shop-identity";
const SERVICE: &str = "/api/v1/namespaces/default/services/shop-chat";
const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/data-shop-mysql-0";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

/// A server with one ChatbotDeployment.
fn api() -> FakeApi {
    let api = FakeApi::default();
    api.put(
        OBJECT,
        json!({
            "apiVersion": "chatbot.rs/v1alpha1", "kind": "ChatbotDeployment",
            "metadata": {"name": "shop", "namespace": "default", "generation": 1, "uid": "shop-uid"},
            "spec": {"llm": {"provider": "Echo"}},
        }),
    );
    api
}

fn object(api: &FakeApi) -> Arc<ChatbotDeployment> {
    Arc::new(serde_json::from_value(api.object(OBJECT).unwrap()).unwrap())
}

fn context(api: &FakeApi, leadership: Leadership) -> Context {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = api.client();
    let cli = Cli::parse_from([
        "operator",
        "--workload-image=chatbot:1",
        "--operator-image=chatbot-operator:1",
        "--lease-namespace=default",
        "--identity=test",
    ]);
    Context {
        client: client.clone(),
        settings: Arc::new(cli.settings),
        stores: Watches::new().stores,
        recorder: Recorder::new(client, "test".into()),
        metrics: Arc::new(Metrics::new()),
        leadership,
        http: reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .unwrap(),
    }
}

fn leading(api: &FakeApi) -> Context {
    context(api, Leadership::lasting(Duration::from_secs(600)))
}

async fn reconcile<R: Reconciler>(reconciler: &R, api: &FakeApi) -> Outcome {
    reconciler
        .reconcile(&leading(api), object(api))
        .await
        .outcome
}

fn condition(api: &FakeApi, type_: &str) -> Value {
    let object = api.object(OBJECT).unwrap();
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == type_)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn of_two_operators_that_make_the_identity_one_does() {
    let api = api();
    let pipelines = [(); 2].map(|()| Pipeline::new(Identity, api.client()));
    let object = object(&api);
    let contexts = [(); 2].map(|()| leading(&api));
    tokio::join!(
        pipelines[0].reconcile(&contexts[0], Arc::clone(&object)),
        pipelines[1].reconcile(&contexts[1], Arc::clone(&object)),
    );
    let made = api.object(IDENTITY).unwrap();
    reconcile(&pipelines[0], &api).await;
    assert_eq!(api.object(IDENTITY).unwrap()["data"], made["data"]);
}

#[tokio::test]
async fn a_lost_identity_beside_data_is_told_and_not_made_anew() {
    let api = api();
    api.put(
        CLAIM,
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-shop-mysql-0"}}),
    );
    let outcome = reconcile(&Pipeline::new(Identity, api.client()), &api).await;
    assert!(matches!(outcome, Outcome::Blocked(_)), "{outcome:?}");
    assert_eq!(api.object(IDENTITY), None);
    assert_eq!(
        condition(&api, "IdentityReady")["reason"],
        "IdentityMissing"
    );
}

#[tokio::test]
async fn a_reconcile_of_what_is_as_it_shall_be_writes_nothing() {
    let api = api();
    let chat = Pipeline::new(WorkloadComponent(Workload::Chat), api.client());
    reconcile(&Pipeline::new(Identity, api.client()), &api).await;
    let outcome = reconcile(&chat, &api).await;
    assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
    // The caches of these tests stay empty, so that the second look is the first at what is there.
    reconcile(&chat, &api).await;
    assert!(!api.writes().is_empty());
    reconcile(&chat, &api).await;
    assert_eq!(api.writes(), [""; 0]);
}

#[tokio::test]
async fn a_change_by_somebody_else_is_undone() {
    let api = api();
    let chat = Pipeline::new(WorkloadComponent(Workload::Chat), api.client());
    reconcile(&Pipeline::new(Identity, api.client()), &api).await;
    reconcile(&chat, &api).await;
    reconcile(&chat, &api).await;
    let mut service = api.object(SERVICE).unwrap();
    service["spec"]["selector"] = json!({"app": "stolen"});
    api.put(SERVICE, service);
    api.writes();
    reconcile(&chat, &api).await;
    assert_eq!(api.writes(), [format!("PATCH {SERVICE}")]);
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone_and_named() {
    let api = api();
    let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-chat"}});
    api.put(SERVICE, foreign);
    let before = api.object(SERVICE);
    reconcile(&Pipeline::new(Identity, api.client()), &api).await;
    let chat = Pipeline::new(WorkloadComponent(Workload::Chat), api.client());
    let outcome = reconcile(&chat, &api).await;
    assert!(matches!(outcome, Outcome::Blocked(_)), "{outcome:?}");
    assert_eq!(api.object(SERVICE), before);
    let told = condition(&api, "ChatReady");
    assert_eq!(told["reason"], "NameTaken");
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("Service shop-chat")
    );
}

#[tokio::test]
async fn a_leader_that_was_paused_does_nothing_when_it_wakes() {
    let api = api();
    let before = api.requests();
    let woken = context(&api, Leadership::lasting(Duration::ZERO));
    let chat = Pipeline::new(WorkloadComponent(Workload::Chat), api.client());
    let ended = chat.reconcile(&woken, object(&api)).await;
    assert!(matches!(ended.outcome, Outcome::Skipped(_)));
    assert_eq!(api.requests(), before);
}

#[tokio::test]
async fn what_a_late_lease_kept_from_being_done_is_looked_at_as_soon_as_it_may_be_renewed() {
    let api = api();
    let late = context(&api, Leadership::lasting(Duration::ZERO));
    let chat = Pipeline::new(WorkloadComponent(Workload::Chat), api.client());
    let summary = Summary::new(api.client(), Vec::new());
    for ended in [
        chat.reconcile(&late, object(&api)).await,
        summary.reconcile(&late, object(&api)).await,
    ] {
        assert!(matches!(ended.outcome, Outcome::Skipped("not the leader")));
        assert!(ended.look_again <= Timings::default().retry);
    }
}

#[tokio::test]
async fn a_paused_deployment_is_left_as_it_is() {
    let api = api();
    let mut paused = api.object(OBJECT).unwrap();
    paused["spec"]["paused"] = json!(true);
    api.put(OBJECT, paused);
    let outcome = reconcile(&Pipeline::new(Identity, api.client()), &api).await;
    assert!(matches!(outcome, Outcome::Skipped("paused")));
    assert_eq!(api.object(IDENTITY), None);
}

#[tokio::test]
async fn a_status_is_not_written_for_an_object_that_was_made_again() {
    let api = api();
    let old = object(&api);
    let mut again = api.object(OBJECT).unwrap();
    again["metadata"]["uid"] = json!("another");
    api.put(OBJECT, again);
    let chat = Pipeline::new(WorkloadComponent(Workload::Chat), api.client());
    let ended = chat.reconcile(&leading(&api), old).await;
    assert!(
        matches!(ended.outcome, Outcome::Skipped(_)),
        "{:?}",
        ended.outcome
    );
    assert_eq!(condition(&api, "ChatReady"), Value::Null);
}

#[tokio::test]
async fn what_was_said_of_a_mail_server_that_nobody_asks_for_any_more_is_taken_back() {
    let api = api();
    let asked = |mail: Value| {
        let mut object = api.object(OBJECT).unwrap();
        object["spec"]["mail"] = mail;
        api.put(OBJECT, object);
    };
    let mail = Pipeline::new(MailServer, api.client());
    asked(json!({"host": "mail.example", "from": "chat@mail.example", "secretName": "mail"}));
    reconcile(&mail, &api).await;
    assert_eq!(condition(&api, "MailReady")["reason"], "SecretMissing");
    asked(Value::Null);
    reconcile(&mail, &api).await;
    assert_eq!(condition(&api, "MailReady"), Value::Null);
    api.writes();
    reconcile(&mail, &api).await;
    assert_eq!(api.writes(), [""; 0]);
}
