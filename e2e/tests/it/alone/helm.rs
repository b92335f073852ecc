//! The charts, as a person uses them.

use chatbot_crds::ChatbotDeployment;
use chatbot_e2e::cluster::{OPERATOR, OPERATOR_NAMESPACE};
use chatbot_e2e::error::ensure;
use chatbot_e2e::helm::Release;
use chatbot_e2e::system::{merged, small};
use chatbot_e2e::{Cluster, Result, System, TestNamespace, mysql, operator, shared, test, wait};
use chatbot_testkit::person::Person;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

#[tokio::test]
async fn the_operator_is_uninstalled_installed_and_upgraded_and_chat_systems_live_on() -> Result<()>
{
    test("helm", async |namespace| {
        let cluster = &namespace.cluster;
        let release = Release::operator(cluster);
        let values = release.values().await?;
        let owner = shared::system(cluster).await?;
        let external = mysql::external(&owner, namespace).await?;
        let system = System::apply(
            namespace,
            "chat",
            merged(small(), json!({"mysql": external})),
        )
        .await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;

        release.uninstall().await?;
        let outcome = without_operator(cluster, &system, &person).await;
        // Whatever happened, the cluster gets its operator back.
        release.apply(&values).await?;
        outcome?;
        operator::available(cluster).await?;
        system.change(json!({"chat": {"replicas": 2}})).await?;
        system.ready(wait::LONG).await?;

        let outcome = one_namespace(namespace, &release, &values, &system).await;
        release.apply(&values).await?;
        outcome?;
        system.change(json!({"chat": {"replicas": 1}})).await?;
        system.ready(wait::LONG).await?;
        Ok(())
    })
    .await
}

/// The definition, the object and what runs for it are still there, and people are answered.
async fn without_operator(cluster: &Cluster, system: &System, person: &Person) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    wait::gone(deployments, OPERATOR, wait::SHORT).await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let definition = definitions.get("chatbotdeployments.chatbot.rs").await;
    ensure(
        definition.is_ok_and(|definition| definition.metadata.deletion_timestamp.is_none()),
        || "the CustomResourceDefinition is gone".to_owned(),
    )?;
    let object: ChatbotDeployment = system.get().await?;
    ensure(object.metadata.deletion_timestamp.is_none(), || {
        "it is being deleted".to_owned()
    })?;
    person.ask(None, "still there?").await?;
    Ok(())
}

/// An upgrade confines the operator to one namespace, by rights and by what it watches.
async fn one_namespace(
    namespace: &TestNamespace,
    release: &Release<'_>,
    values: &Value,
    system: &System,
) -> Result<()> {
    let cluster = &namespace.cluster;
    let confined = merged(
        values.clone(),
        json!({"watchNamespaces": [namespace.name], "logLevel": "debug"}),
    );
    release.apply(&confined).await?;
    let everywhere: Api<ClusterRoleBinding> = Api::all(cluster.client.clone());
    let of_release =
        ListParams::default().labels(&format!("app.kubernetes.io/instance={OPERATOR}"));
    let bindings = everywhere
        .list(&of_release)
        .await
        .map_err(chatbot_e2e::Error::kubernetes(
            "list the ClusterRoleBindings",
        ))?;
    ensure(bindings.items.is_empty(), || {
        "the operator still has rights everywhere".to_owned()
    })?;
    let here: Vec<RoleBinding> = namespace
        .list(&format!("app.kubernetes.io/instance={OPERATOR}"))
        .await?;
    ensure(here.len() == 1, || {
        "the operator has no rights here".to_owned()
    })?;
    system.change(json!({"chat": {"replicas": 3}})).await?;
    system.ready(wait::LONG).await?;
    Ok(())
}

#[tokio::test]
async fn a_chat_system_is_installed_and_uninstalled_by_its_chart() -> Result<()> {
    test("chart", async |namespace| {
        let owner = shared::system(&namespace.cluster).await?;
        let external = mysql::external(&owner, namespace).await?;
        let release = Release::new(&namespace.cluster, "shop", &namespace.name, "chatbot");
        let spec = merged(merged(small(), json!({"mysql": external})), json!({}));
        release
            .apply(&json!({"spec": spec, "labels": {"team": "shop"}}))
            .await?;
        let system = System {
            namespace: namespace.clone(),
            name: "shop".to_owned(),
        };
        system.ready(wait::LONG).await?;
        Person::register(&system.url().await?)
            .await?
            .ask(None, "hello")
            .await?;
        release.uninstall().await?;
        wait::gone(system.api(), "shop", wait::SHORT).await
    })
    .await
}
