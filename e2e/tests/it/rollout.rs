//! Changes while people talk: no request fails.

use chatbot_e2e::load::{Load, nothing_failed};
use chatbot_e2e::system::{highly_available, merged};
use chatbot_e2e::{Result, System, TestNamespace, model, mysql, shared, test, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

/// Two pods of each workload on the shared system's engine.
async fn system(namespace: &TestNamespace) -> Result<System> {
    let owner = shared::system(&namespace.cluster).await?;
    let external = mysql::external(&owner, namespace).await?;
    let llm = model::start(namespace, None).await?;
    let image = &namespace.cluster.settings.image;
    let spec = merged(
        highly_available(),
        json!({"image": image, "llm": llm, "mysql": external}),
    );
    let system = System::apply(namespace, "chat", spec).await?;
    system.ready(wait::LONG).await?;
    Ok(system)
}

#[tokio::test]
async fn a_new_image_is_rolled_out_without_a_failed_request() -> Result<()> {
    test("image-update", async |namespace| {
        let system = system(namespace).await?;
        let load = Load::start(&system.url().await?).await?;
        let next = &namespace.cluster.settings.next_image;
        system.change(json!({"image": next})).await?;
        system.ready(wait::LONG).await?;
        load.go_on().await?;
        nothing_failed(&load.finish("image update").await?)?;

        for workload in chatbot_contract::Workload::ALL {
            for pod in system.pods(workload.name()).await? {
                if pod.metadata.deletion_timestamp.is_none() {
                    assert_eq!(image(&pod), Some(next.as_str()), "{}", pod.name_any());
                }
            }
        }
        let told = system
            .get()
            .await?
            .status
            .unwrap()
            .components
            .chat
            .unwrap()
            .image;
        assert_eq!(&told, next);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_chat_workload_is_scaled_like_any_other() -> Result<()> {
    test("scale", async |namespace| {
        let system = system(namespace).await?;
        let load = Load::start(&system.url().await?).await?;
        for replicas in [3, 1] {
            let change = json!({"spec": {"replicas": replicas}});
            system
                .api()
                .patch_scale(&system.name, &PatchParams::default(), &Patch::Merge(change))
                .await
                .map_err(chatbot_e2e::Error::kubernetes("scale the chat workload"))?;
            let ready = system.ready(wait::LONG).await?;
            let chat = ready.status.unwrap().components.chat.unwrap();
            assert_eq!(chat.ready, format!("{replicas}/{replicas}"));
            let scale = system.api().get_scale(&system.name).await.unwrap();
            let status = scale.status.unwrap();
            assert_eq!(status.replicas, replicas);
            let selected: Vec<Pod> = namespace.list(&status.selector.unwrap()).await?;
            let serving = selected
                .iter()
                .filter(|pod| chatbot_e2e::faults::is_ready(pod));
            assert_eq!(serving.count(), usize::try_from(replicas).unwrap());
            load.go_on().await?;
        }
        nothing_failed(&load.finish("scaled to 3 and to 1").await?)
    })
    .await
}

fn image(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.containers.first()?.image.as_deref()
}
