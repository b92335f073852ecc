//! Kafka dies in every way while people talk: they notice nothing, and everything is told in the end.

use chatbot_crds::conditions::{DEGRADED, KAFKA_READY};
use chatbot_e2e::load::{Load, nothing_failed};
use chatbot_e2e::system::{KAFKA, is, merged, names, small};
use chatbot_e2e::{Result, System, TestNamespace, faults, kafka, model, test, wait};
use chatbot_testkit::history::read::Readable;
use chatbot_testkit::person::Person;
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

async fn members(namespace: &TestNamespace, name: &str, replicas: i32) -> Result<System> {
    let llm = model::start(namespace, None).await?;
    let kafka = json!({"llm": llm, "kafka": {"none": null, "managed": {"replicas": replicas}}});
    let system = System::apply(namespace, name, merged(small(), kafka)).await?;
    system.ready(wait::LONG).await?;
    Ok(system)
}

#[tokio::test]
async fn everything_is_told_though_members_are_killed_and_a_volume_is_lost() -> Result<()> {
    test("kafka-faults", async |namespace| {
        let system = members(namespace, "chat", 3).await?;
        let load = Load::start(&system.url().await?).await?;
        faults::crash_named(&system, &kafka::leader(&system).await?, KAFKA).await?;
        load.go_on().await?;
        system.whole(KAFKA_READY).await?;

        faults::lose_volume(namespace, &kafka::leader(&system).await?).await?;
        load.go_on().await?;
        system.whole(KAFKA_READY).await?;

        faults::crash_all(&system, KAFKA, KAFKA).await?;
        load.go_on().await?;
        system.whole(KAFKA_READY).await?;

        let what = "Kafka killed, a volume lost, all killed";
        let (summary, readable) = load.finish_and_read(what).await?;
        nothing_failed(&summary)?;
        kafka::everything_was_told(&system, &readable).await
    })
    .await
}

/// The `kafka` part of a spec that uses another system's only member as an external Kafka.
async fn borrowed(owner: &System, password: &str) -> Result<Value> {
    let secret = [("username", "workload"), ("password", password)];
    owner.namespace.secret("events", &secret).await?;
    let host = format!("{}-kafka-0.{}.svc:9092", owner.name, owner.namespace.name);
    let external = json!({"bootstrapServers": [host], "secretName": "events", "tls": false});
    Ok(json!({"none": null, "external": external}))
}

#[tokio::test]
async fn an_external_kafka_may_refuse_and_go_away_and_a_spec_may_do_without() -> Result<()> {
    test("kafka-external", async |namespace| {
        let owner = members(namespace, "events", 1).await?;

        // At first with a wrong password: the system waits for what it was promised, and says for what.
        let kafka = borrowed(&owner, "wrong").await?;
        let system =
            System::apply(namespace, "chat", merged(small(), json!({"kafka": kafka}))).await?;
        system
            .reason(KAFKA_READY, "KafkaRefused", &["events-kafka-0"])
            .await?;
        let key = chatbot_contract::identity::kafka_password("workload");
        borrowed(&owner, &owner.identity(&key).await?).await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;
        let turn = person.ask(None, "with events").await?;
        let conversation = (
            turn.message.conversation_id,
            vec![turn.message, turn.answer],
        );
        let readable = Readable {
            conversations: vec![conversation],
        };
        kafka::everything_was_told(&owner, &[readable]).await?;

        // Lost later, it is a degraded mode.
        owner.delete().await?;
        system
            .until("Kafka lost", wait::LONG, |system| {
                is(system, DEGRADED, "True").then_some(())
            })
            .await?;
        person.ask(None, "without events").await?;

        // The spec may change its mind, and what is no longer wanted goes.
        system
            .change(json!({"kafka": {"external": null, "managed": {"replicas": 1}}}))
            .await?;
        system.ready(wait::LONG).await?;
        assert_eq!(names(&system.pods(KAFKA).await?), ["chat-kafka-0"]);
        system
            .change(json!({"kafka": {"managed": null, "none": {}}}))
            .await?;
        wait::gone(namespace.api::<StatefulSet>(), "chat-kafka", wait::LONG).await?;
        system.ready(wait::LONG).await?;
        person.ask(None, "with none at all").await?;
        Ok(())
    })
    .await
}
