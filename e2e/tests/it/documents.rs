//! The document store dies and comes back, and everything is archived in the end; or there is none.

use chatbot_contract::Workload;
use chatbot_crds::conditions::DOCUMENTS_READY;
use chatbot_e2e::load::Load;
use chatbot_e2e::system::{DOCUMENTS, KAFKA, MYSQL, merged, names, small};
use chatbot_e2e::{Error, Result, System, archive, faults, model, test, wait};
use chatbot_testkit::person::Person;
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::json;

#[tokio::test]
async fn every_message_is_told_and_archived_though_every_pod_dies_at_once() -> Result<()> {
    test("archive", async |namespace| {
        let llm = model::start(namespace, None).await?;
        let spec = json!({
            "llm": llm,
            "storage": {"replicas": 2},
            "kafka": {"none": null, "managed": {"replicas": 1}},
            "documents": {"none": null, "managed": {}},
        });
        let system = System::apply(namespace, "chat", merged(small(), spec)).await?;
        system.ready(wait::LONG).await?;
        let url = system.url().await?;

        let load = Load::start(&url).await?;
        let all = [
            (MYSQL, MYSQL),
            (KAFKA, KAFKA),
            (DOCUMENTS, "ferretdb"),
            (DOCUMENTS, "postgres"),
        ];
        let workloads = Workload::ALL.map(|workload| (workload.name(), workload.name()));
        let crashes = all
            .iter()
            .chain(&workloads)
            .map(|(component, container)| faults::crash_all(&system, component, container));
        try_join_all(crashes).await?;
        load.go_on().await?;
        system.whole(DOCUMENTS_READY).await?;
        archive::everything_arrived(&system, load, "everything killed at once").await
    })
    .await
}

#[tokio::test]
async fn a_store_outlives_its_processes_its_pod_and_its_volume_and_a_spec_may_do_without()
-> Result<()> {
    test("documents", async |namespace| {
        let managed = json!({"documents": {"none": null, "managed": {}}});
        let system = System::apply(namespace, "chat", merged(small(), managed)).await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;
        let [name] = <[String; 1]>::try_from(names(&system.pods(DOCUMENTS).await?))
            .map_err(|pods| Error::Wrong(format!("one pod was expected: {pods:?}")))?;

        for container in ["ferretdb", "postgres"] {
            faults::crash_all(&system, DOCUMENTS, container).await?;
            person.ask(None, "while the store is away").await?;
            system.whole(DOCUMENTS_READY).await?;
        }
        faults::lose_volume(namespace, &name).await?;
        person.ask(None, "with an empty store").await?;
        system.whole(DOCUMENTS_READY).await?;

        system
            .change(json!({"documents": {"managed": null, "none": {}}}))
            .await?;
        wait::gone(
            namespace.api::<StatefulSet>(),
            &format!("chat-{DOCUMENTS}"),
            wait::LONG,
        )
        .await?;
        wait::gone(
            namespace.api::<NetworkPolicy>(),
            &format!("chat-{DOCUMENTS}"),
            wait::LONG,
        )
        .await?;
        system.ready(wait::LONG).await?;
        person.ask(None, "with no store at all").await?;
        Ok(())
    })
    .await
}
