//! What a delete leaves behind, and what comes back of it.

use std::collections::BTreeSet;

use chatbot_crds::ChatbotDeployment;
use chatbot_e2e::error::ensure;
use chatbot_e2e::system::{merged, names, small};
use chatbot_e2e::{Result, System, TestNamespace, test, wait};
use chatbot_testkit::person::Person;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::json;

#[tokio::test]
async fn a_deleted_system_that_is_applied_again_has_its_messages() -> Result<()> {
    test("retain", async |namespace| {
        let before = objects(namespace).await?;
        let spec = merged(
            small(),
            json!({"redis": {"none": null, "managed": {"replicas": 1}}}),
        );
        let system = System::apply(namespace, "chat", spec.clone()).await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;
        let turn = person.ask(None, "remember this").await?;

        system.delete().await?;
        await_gone(namespace).await?;
        // What stands in Redis is worth no volume.
        let cache = "data-chat-redis-0";
        wait::gone(namespace.api::<PersistentVolumeClaim>(), cache, wait::SHORT).await?;
        let left: BTreeSet<String> = objects(namespace)
            .await?
            .difference(&before)
            .cloned()
            .collect();
        let kept = [
            "PersistentVolumeClaim/data-chat-mysql-0",
            "Secret/chat-identity",
        ];
        assert_eq!(left, kept.map(str::to_owned).into());

        let system = System::apply(namespace, "chat", spec).await?;
        system.ready(wait::LONG).await?;
        let person = Person::login(&system.url().await?, &person.email).await?;
        let messages = person.messages(turn.message.conversation_id, 50).await?;
        assert_eq!(messages, [turn.message, turn.answer]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_delete_that_shall_delete_leaves_nothing() -> Result<()> {
    test("delete", async |namespace| {
        let before = objects(namespace).await?;
        let spec = merged(small(), json!({"deletionPolicy": "Delete"}));
        let system = System::apply(namespace, "chat", spec).await?;
        system.ready(wait::LONG).await?;
        system.delete().await?;
        await_gone(namespace).await?;
        for claim in names(&namespace.list::<PersistentVolumeClaim>("").await?) {
            wait::gone(
                namespace.api::<PersistentVolumeClaim>(),
                &claim,
                wait::SHORT,
            )
            .await?;
        }
        for secret in names(&namespace.list::<Secret>("").await?) {
            wait::gone(namespace.api::<Secret>(), &secret, wait::SHORT).await?;
        }
        let left: Vec<String> = objects(namespace)
            .await?
            .difference(&before)
            .cloned()
            .collect();
        ensure(left.is_empty(), || format!("left behind: {left:?}"))
    })
    .await
}

/// Waits until the garbage collector has deleted what belonged to deleted objects.
async fn await_gone(namespace: &TestNamespace) -> Result<()> {
    gone::<Deployment>(namespace).await?;
    gone::<ReplicaSet>(namespace).await?;
    gone::<StatefulSet>(namespace).await?;
    gone::<Job>(namespace).await?;
    gone::<Service>(namespace).await?;
    gone::<PodDisruptionBudget>(namespace).await?;
    gone::<Pod>(namespace).await?;
    for account in names(&namespace.list::<ServiceAccount>("").await?) {
        if account != "default" {
            wait::gone(namespace.api::<ServiceAccount>(), &account, wait::SHORT).await?;
        }
    }
    for map in names(&namespace.list::<ConfigMap>("").await?) {
        if map != "kube-root-ca.crt" {
            wait::gone(namespace.api::<ConfigMap>(), &map, wait::SHORT).await?;
        }
    }
    Ok(())
}

async fn gone<K>(namespace: &TestNamespace) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    for name in names(&namespace.list::<K>("").await?) {
        wait::gone(namespace.api::<K>(), &name, wait::SHORT).await?;
    }
    Ok(())
}

/// Everything in the namespace that somebody made, as `Kind/name`.
async fn objects(namespace: &TestNamespace) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    add::<ChatbotDeployment>(namespace, &mut all).await?;
    add::<Deployment>(namespace, &mut all).await?;
    add::<ReplicaSet>(namespace, &mut all).await?;
    add::<StatefulSet>(namespace, &mut all).await?;
    add::<Job>(namespace, &mut all).await?;
    add::<Pod>(namespace, &mut all).await?;
    add::<Service>(namespace, &mut all).await?;
    add::<ConfigMap>(namespace, &mut all).await?;
    add::<Secret>(namespace, &mut all).await?;
    add::<ServiceAccount>(namespace, &mut all).await?;
    add::<PersistentVolumeClaim>(namespace, &mut all).await?;
    add::<PodDisruptionBudget>(namespace, &mut all).await?;
    add::<Role>(namespace, &mut all).await?;
    add::<RoleBinding>(namespace, &mut all).await?;
    Ok(all)
}

async fn add<K>(namespace: &TestNamespace, all: &mut BTreeSet<String>) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let names = names(&namespace.list::<K>("").await?);
    all.extend(
        names
            .into_iter()
            .map(|name| format!("{}/{name}", K::kind(&()))),
    );
    Ok(())
}
