//! What is wrong outside the spec becomes a condition whose reason and message name the thing, and
//! is noticed to be right again without a restart of anything.
//!
//! The engine is the shared system's, used as an external MySQL with schemas of each test's own.

use chatbot_crds::conditions::{
    CHAT_READY, DEGRADED, KAFKA_READY, MAIL_READY, MODEL_READY, MYSQL_READY, READY, SCHEMA_READY,
    STALLED,
};
use chatbot_e2e::faults::restarts;
use chatbot_e2e::mysql::EXTERNAL_SECRET;
use chatbot_e2e::system::{is, merged, small};
use chatbot_e2e::{Result, System, TestNamespace, model, mysql, operator, shared, test, wait};
use chatbot_testkit::person::Person;
use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

/// The smallest spec that makes no engine of its own.
async fn borrowing(namespace: &TestNamespace) -> Result<Value> {
    let owner = shared::system(&namespace.cluster).await?;
    let external = mysql::external(&owner, namespace).await?;
    Ok(merged(small(), json!({"mysql": external})))
}

/// Applies, waits for the condition, lets `fix` act, and waits until a person gets an answer; the
/// operator is the same all the time.
async fn tells_and_recovers(
    namespace: &TestNamespace,
    spec: Value,
    (type_, reason, names): (&str, &str, &[&str]),
    fix: impl AsyncFnOnce(&System) -> Result<()>,
) -> Result<()> {
    let before = restarts(&operator::list(&namespace.cluster).await?);
    let system = System::apply(namespace, "chat", spec).await?;
    let message = system.reason(type_, reason, names).await?;
    println!("{type_}: {reason}: {message}");
    system
        .until("Ready false and Stalled true", wait::SHORT, |system| {
            (is(system, READY, "False") && is(system, STALLED, "True")).then_some(())
        })
        .await?;
    fix(&system).await?;
    system.ready(wait::LONG).await?;
    let person = Person::register(&system.url().await?).await?;
    assert!(
        person
            .ask(None, "hello")
            .await?
            .answer
            .content
            .contains("hello")
    );
    assert_eq!(restarts(&operator::list(&namespace.cluster).await?), before);
    Ok(())
}

#[tokio::test]
async fn a_missing_secret_is_named_until_it_is_there() -> Result<()> {
    test("secret-missing", async |namespace| {
        let mut llm = model::start(namespace, Some("right")).await?;
        llm["apiKey"] = json!({"name": "model", "key": "token"});
        let spec = merged(borrowing(namespace).await?, json!({"llm": llm}));
        let told = (CHAT_READY, "SecretMissing", &["model", "llm.apiKey"][..]);
        tells_and_recovers(namespace, spec, told, async |_| {
            namespace.secret("model", &[("token", "right")]).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_missing_key_of_a_secret_is_named_until_it_is_there() -> Result<()> {
    test("key-missing", async |namespace| {
        let mut llm = model::start(namespace, Some("right")).await?;
        llm["apiKey"] = json!({"name": "model", "key": "token"});
        namespace
            .secret("model", &[("something-else", "right")])
            .await?;
        let spec = merged(borrowing(namespace).await?, json!({"llm": llm}));
        let told = (CHAT_READY, "SecretKeyMissing", &["model", "token"][..]);
        tells_and_recovers(namespace, spec, told, async |_| {
            namespace.secret("model", &[("token", "right")]).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_model_api_that_refuses_the_key_is_told_until_the_key_is_right() -> Result<()> {
    test("model-refuses", async |namespace| {
        let mut llm = model::start(namespace, Some("right")).await?;
        llm["apiKey"] = json!({"name": "model"});
        namespace.secret("model", &[("api-key", "wrong")]).await?;
        let spec = merged(borrowing(namespace).await?, json!({"llm": llm}));
        let told = (MODEL_READY, "ModelKeyRefused", &["401"][..]);
        tells_and_recovers(namespace, spec, told, async |_| {
            namespace.secret("model", &[("api-key", "right")]).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_kafka_that_cannot_be_reached_is_told_and_keeps_nobody_from_being_served() -> Result<()> {
    test("kafka-unreachable", async |namespace| {
        let account = [("username", "chatbot"), ("password", "secret")];
        namespace.secret("events", &account).await?;
        let nowhere = "nobody.example.svc:9092";
        let external = json!({"bootstrapServers": [nowhere], "secretName": "events", "tls": false});
        let kafka = json!({"kafka": {"none": null, "external": external}});
        let without = json!({"kafka": {"external": null, "none": {}}});
        let spec = merged(borrowing(namespace).await?, kafka.clone());
        let system = System::apply(namespace, "chat", spec).await?;
        // A system that comes up waits for what it was promised; people are served meanwhile.
        system
            .reason(KAFKA_READY, "KafkaUnreachable", &[nowhere])
            .await?;
        system
            .until("nothing but Kafka missing", wait::LONG, |system| {
                let waiting_for = &system.status.as_ref()?.waiting_for;
                (waiting_for.len() == 1).then_some(())
            })
            .await?;
        system.reason(READY, "KafkaUnreachable", &["kafka"]).await?;
        let person = Person::register(&system.url().await?).await?;
        person.ask(None, "hello").await?;
        system.change(without.clone()).await?;
        system.ready(wait::LONG).await?;

        // One that was whole before is degraded, and no less ready.
        system.change(kafka).await?;
        let degraded =
            |status: &'static str| move |system: &_| is(system, DEGRADED, status).then_some(());
        system
            .until("Degraded true", wait::LONG, degraded("True"))
            .await?;
        system.ready(wait::LONG).await?;
        person.ask(None, "hello again").await?;

        // Nobody asks for it any more, and it is no longer missed.
        system.change(without.clone()).await?;
        system
            .until("KafkaReady true", wait::SHORT, |system| {
                is(system, KAFKA_READY, "True").then_some(())
            })
            .await?;
        system
            .until("Degraded false", wait::SHORT, degraded("False"))
            .await?;
        system.ready(wait::LONG).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mail_server_is_named_until_its_secret_is_there_and_it_can_be_reached() -> Result<()> {
    test("mail-unreachable", async |namespace| {
        let nowhere = "nobody.example.svc";
        let mail = json!({"host": nowhere, "from": "chat@example.org", "secretName": "mail"});
        let spec = merged(borrowing(namespace).await?, json!({"mail": mail}));
        let system = System::apply(namespace, "chat", spec).await?;
        system
            .reason(
                MAIL_READY,
                "SecretMissing",
                &["Secret mail", "mail.secretName"],
            )
            .await?;
        let account = [("username", "chatbot"), ("password", "secret")];
        namespace.secret("mail", &account).await?;
        system
            .reason(MAIL_READY, "MailUnreachable", &[nowhere])
            .await?;
        system.reason(READY, "MailUnreachable", &["mail"]).await?;
        system.change(json!({"mail": null})).await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;
        person.ask(None, "hello").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_external_mysql_that_cannot_be_reached_is_told_until_it_can() -> Result<()> {
    test("mysql-unreachable", async |namespace| {
        let right = borrowing(namespace).await?;
        let nowhere = "nobody.example.svc";
        let wrong = json!({"mysql": {"external": {"host": nowhere}}});
        let spec = merged(right.clone(), wrong);
        let told = (MYSQL_READY, "MysqlUnreachable", &[nowhere][..]);
        tells_and_recovers(namespace, spec, told, async |system| {
            system.change(json!({"mysql": right["mysql"]})).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn an_external_mysql_that_refuses_the_password_is_told_until_it_is_right() -> Result<()> {
    test("mysql-refuses", async |namespace| {
        let spec = borrowing(namespace).await?;
        let host = spec["mysql"]["external"]["host"]
            .as_str()
            .unwrap()
            .to_owned();
        let secrets: Api<Secret> = namespace.api();
        let right = secrets.get(EXTERNAL_SECRET).await.unwrap().data.unwrap();
        let text = |key: &str| String::from_utf8(right[key].0.clone()).unwrap();
        let (user, password) = (text("username"), text("password"));
        namespace
            .secret(
                EXTERNAL_SECRET,
                &[("username", &user), ("password", "wrong")],
            )
            .await?;
        let told = (MYSQL_READY, "MysqlRefused", &[host.as_str()][..]);
        tells_and_recovers(namespace, spec, told, async |_| {
            namespace
                .secret(
                    EXTERNAL_SECRET,
                    &[("username", &user), ("password", &password)],
                )
                .await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_named_until_the_spec_names_another() -> Result<()> {
    test("image", async |namespace| {
        let image = "registry.invalid/chatbot:none";
        let spec = merged(borrowing(namespace).await?, json!({"image": image}));
        let told = (SCHEMA_READY, "ImagePullFailed", &[image][..]);
        tells_and_recovers(namespace, spec, told, async |system| {
            system
                .change(json!({"image": namespace.cluster.settings.image}))
                .await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_storage_class_that_does_not_exist_is_named_until_it_does() -> Result<()> {
    test("storage-class", async |namespace| {
        let class = namespace.name.clone();
        let classes: Api<StorageClass> = Api::all(namespace.cluster.client.clone());
        let known = classes.list(&Default::default()).await.unwrap().items;
        let provisioner = known.first().unwrap().provisioner.clone();
        let storage = json!({"mysql": {"managed": {"storage": {"className": class}}}});
        let told = (MYSQL_READY, "StorageClassMissing", &[class.as_str()][..]);
        let outcome = tells_and_recovers(namespace, merged(small(), storage), told, async |_| {
            let made = json!({
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": class},
                "provisioner": provisioner,
                "volumeBindingMode": "WaitForFirstConsumer",
            });
            let parameters = PatchParams::apply(chatbot_e2e::namespace::MANAGER);
            classes
                .patch(&class, &parameters, &Patch::Apply(made))
                .await
                .map(|_| ())
                .map_err(chatbot_e2e::Error::kubernetes("make a StorageClass"))
        })
        .await;
        // It belongs to no namespace: nothing else deletes it.
        let _ = classes.delete(&class, &DeleteParams::default()).await;
        outcome
    })
    .await
}

#[tokio::test]
async fn a_quota_that_is_too_small_is_named_until_it_is_gone() -> Result<()> {
    test("quota", async |namespace| {
        let spec = borrowing(namespace).await?;
        namespace
            .apply::<ResourceQuota>("too-small", json!({"spec": {"hard": {"pods": "0"}}}))
            .await?;
        let told = (SCHEMA_READY, "QuotaExceeded", &["too-small"][..]);
        tells_and_recovers(namespace, spec, told, async |_| {
            let quotas: Api<ResourceQuota> = namespace.api();
            quotas
                .delete("too-small", &DeleteParams::default())
                .await
                .map(|_| ())
                .map_err(chatbot_e2e::Error::kubernetes("delete the quota"))
        })
        .await
    })
    .await
}
