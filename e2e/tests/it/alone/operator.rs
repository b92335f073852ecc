//! The operator dies, hangs, or is not there.

use std::time::{Duration, Instant};

use chatbot_e2e::error::ensure;
use chatbot_e2e::faults::{self, Signal};
use chatbot_e2e::load::{Load, nothing_failed};
use chatbot_e2e::system::{highly_available, merged, small};
use chatbot_e2e::{Error, Result, System, TestNamespace, model, operator, shared, test, wait};
use chatbot_testkit::person::Person;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;
use serde_json::json;

#[tokio::test]
async fn an_operator_killed_while_it_provisions_is_gone_on_with() -> Result<()> {
    test("killed-provisioning", async |namespace| {
        let cluster = &namespace.cluster;
        let system = System::apply(namespace, "chat", highly_available()).await?;
        // Killed at two moments: when the group is to be formed, and when the workloads are to start.
        wait::until(
            namespace.api::<StatefulSet>(),
            "chat-mysql",
            "the StatefulSet of MySQL",
            wait::SHORT,
            |set| {
                set.map(|_| ())
                    .ok_or_else(|| "it does not exist".to_owned())
            },
        )
        .await?;
        kill_all(namespace).await?;
        system
            .until("a MySQL primary", wait::LONG, |system| {
                system
                    .status
                    .as_ref()?
                    .components
                    .mysql
                    .as_ref()?
                    .primary
                    .clone()
            })
            .await?;
        kill_all(namespace).await?;
        system.ready(wait::LONG).await?;
        operator::available(cluster).await?;
        let person = Person::register(&system.url().await?).await?;
        person.ask(None, "hello").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_killed_operator_costs_no_request() -> Result<()> {
    test("operator-killed", async |namespace| {
        let llm = model::start(namespace, None).await?;
        let spec = merged(highly_available(), json!({"llm": llm}));
        let system = System::apply(namespace, "chat", spec).await?;
        system.ready(wait::LONG).await?;
        let load = Load::start(&system.url().await?).await?;
        kill_all(namespace).await?;
        load.go_on().await?;
        operator::available(&namespace.cluster).await?;
        system.ready(wait::LONG).await?;
        load.go_on().await?;
        nothing_failed(&load.finish("the operator killed").await?)
    })
    .await
}

#[tokio::test]
async fn a_leader_that_hangs_is_replaced_and_does_no_harm_when_it_wakes() -> Result<()> {
    test("leader-hangs", async |namespace| {
        let cluster = &namespace.cluster;
        let owner = shared::system(cluster).await?;
        let external = chatbot_e2e::mysql::external(&owner, namespace).await?;
        let spec = merged(small(), json!({"mysql": external, "chat": {"replicas": 2}}));
        let system = System::apply(namespace, "chat", spec).await?;
        system.ready(wait::LONG).await?;

        let leader = operator::leader(cluster).await?;
        let name = leader.name_any();
        faults::signal(cluster, &leader, operator::CONTAINER, Signal::Stop).await?;
        let stopped = Instant::now();
        let acted = async {
            system.change(json!({"chat": {"replicas": 3}})).await?;
            let other = operator::leader_besides(cluster, &name, wait::SHORT).await?;
            println!(
                "another replica leads after {:.1} s",
                stopped.elapsed().as_secs_f64()
            );
            ensure(stopped.elapsed() < Duration::from_secs(40), || {
                "that is too late".to_owned()
            })?;
            system.ready(wait::LONG).await?;
            Ok::<_, Error>(other)
        };
        let acted = acted.await;
        // The one that wakes still believes that it leads, and that two replicas are wanted.
        faults::signal(cluster, &leader, operator::CONTAINER, Signal::Continue).await?;
        let other = acted?;
        operator::available(cluster).await?;
        system.change(json!({"chat": {"replicas": 1}})).await?;
        let ready = system.ready(wait::LONG).await?;
        assert_eq!(ready.status.unwrap().components.chat.unwrap().ready, "1/1");
        let leads = operator::leader(cluster).await?.name_any();
        ensure(leads == other, || {
            format!("{other} led, and now {leads} does")
        })
    })
    .await
}

#[tokio::test]
async fn a_namespace_can_be_deleted_while_there_is_no_operator() -> Result<()> {
    test("no-operator", async |namespace| {
        let cluster = &namespace.cluster;
        let inner = TestNamespace::make(cluster, &format!("{}-inner", namespace.name)).await?;
        let system = System::apply(&inner, "chat", small()).await?;
        system.ready(wait::LONG).await?;
        operator::scale(cluster, 0).await?;
        let gone = async {
            inner.delete().await?;
            inner.gone(wait::LONG).await
        };
        let gone = gone.await;
        operator::scale(cluster, 2).await?;
        gone
    })
    .await
}

/// Kills every replica of the operator at once, and waits until there are new ones.
async fn kill_all(namespace: &TestNamespace) -> Result<()> {
    let cluster = &namespace.cluster;
    let pods = operator::list(cluster).await?;
    for pod in &pods {
        faults::signal(cluster, pod, operator::CONTAINER, Signal::Kill).await?;
    }
    // New pods, since kubelet waits longer before each further start of an old one.
    for pod in &pods {
        faults::delete_pod_now(&operator::pods(cluster), &pod.name_any()).await?;
    }
    for pod in &pods {
        wait::gone(operator::pods(cluster), &pod.name_any(), wait::SHORT).await?;
    }
    operator::available(cluster).await
}
