//! The document store dies and comes back, or is somebody else's.

use chatbot_crds::conditions::{DEGRADED, DOCUMENTS_READY};
use chatbot_e2e::system::{DOCUMENTS, condition, merged, names, small};
use chatbot_e2e::{Error, Result, System, faults, test, wait};
use chatbot_testkit::person::Person;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use serde_json::json;

/// Waits until the store serves, and nothing is missing.
async fn whole(system: &System) -> Result<()> {
    system
        .until("the store whole", wait::LONG, |system| {
            let is = |type_: &str, status: &str| {
                condition(system, type_).is_some_and(|condition| condition.status == status)
            };
            (is(DOCUMENTS_READY, "True") && is(DEGRADED, "False")).then_some(())
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
            whole(&system).await?;
        }
        faults::lose_volume(namespace, &name).await?;
        person.ask(None, "with an empty store").await?;
        whole(&system).await?;

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
