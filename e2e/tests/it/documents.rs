//! The document store dies and comes back, and everything is archived in the end; or there is none.

use chatbot_contract::Workload;
use chatbot_crds::conditions::DOCUMENTS_READY;
use chatbot_e2e::load::{Load, nothing_lost};
use chatbot_e2e::system::{DOCUMENTS, KAFKA, MYSQL, merged, names, small};
use chatbot_e2e::{Error, Result, System, faults, kafka, model, test, wait};
use chatbot_testkit::person::Person;
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use serde_json::json;

/// Compares every message in MySQL with the archive, in a storage pod; what is on its way may arrive.
async fn archived(system: &System) -> Result<()> {
    let storage = Workload::Storage.name();
    let pods = names(&system.pods(storage).await?);
    let verify = [
        "chatbot",
        "verify",
        "documents",
        "--patience-seconds",
        "120",
    ];
    let said = system.run(&pods[0], storage, &verify, "").await?;
    println!("{}", said.trim());
    Ok(())
}

/// Crashes a container of each of these pods at the same moment.
async fn crash_all(system: &System, component: &str, container: &str) -> Result<()> {
    let pods: Api<Pod> = system.namespace.api();
    let all = system.pods(component).await?;
    let crashes = all
        .iter()
        .map(|pod| faults::crash(&system.namespace.cluster, &pods, pod, container));
    try_join_all(crashes).await.map(|_| ())
}

#[tokio::test]
async fn every_message_is_told_and_archived_whatever_dies() -> Result<()> {
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
        let storage = Workload::Storage.name();
        for (component, container) in [
            (DOCUMENTS, "ferretdb"),
            (DOCUMENTS, "postgres"),
            (KAFKA, KAFKA),
            (storage, storage),
        ] {
            crash_all(&system, component, container).await?;
            load.go_on().await?;
        }
        let what = "documents, Kafka and storage killed";
        let (summary, readable) = load.finish_and_read(what).await?;
        nothing_lost(&summary)?;
        kafka::everything_was_told(&system, &readable).await?;
        archived(&system).await?;

        // Everything at once: what was told before the end of the world is told after it.
        let load = Load::start(&url).await?;
        let all = [
            (MYSQL, MYSQL),
            (KAFKA, KAFKA),
            (DOCUMENTS, "ferretdb"),
            (DOCUMENTS, "postgres"),
            (storage, storage),
            ("gateway", "gateway"),
            ("chat", "chat"),
            ("user", "user"),
        ];
        let crashes = all.map(|(component, container)| crash_all(&system, component, container));
        try_join_all(crashes).await?;
        load.go_on().await?;
        let what = "everything killed at once";
        let (summary, readable) = load.finish_and_read(what).await?;
        nothing_lost(&summary)?;
        system.whole(DOCUMENTS_READY).await?;
        kafka::everything_was_told(&system, &readable).await?;
        archived(&system).await
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
        let pods: Api<Pod> = namespace.api();
        let [name] = <[String; 1]>::try_from(names(&system.pods(DOCUMENTS).await?))
            .map_err(|pods| Error::Wrong(format!("one pod was expected: {pods:?}")))?;

        for container in ["ferretdb", "postgres"] {
            let pod = pods
                .get(&name)
                .await
                .map_err(Error::kubernetes("read the pod"))?;
            faults::crash(&namespace.cluster, &pods, &pod, container).await?;
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
