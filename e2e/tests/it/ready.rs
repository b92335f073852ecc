//! From apply to Ready, and what the object then says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chatbot_crds::{EngineStatus, conditions};
use chatbot_e2e::system::{self, DOCUMENTS, KAFKA, LOAD_BALANCER, MYSQL, REDIS, condition, whole};
use chatbot_e2e::{Result, System, test, wait};
use chatbot_testkit::person::{Person, client};
use k8s_openapi::api::core::v1::Pod;

#[tokio::test]
async fn a_system_of_three_members_of_each_engine_becomes_ready_and_answers() -> Result<()> {
    test("ready", async |namespace| {
        let applied = Instant::now();
        let system = System::apply(namespace, "chat", whole()).await?;
        let ready = system.ready(wait::LONG).await?;
        println!(
            "from apply to Ready: {:.1} s",
            applied.elapsed().as_secs_f64()
        );

        let all = [
            conditions::READY,
            conditions::IDENTITY_READY,
            conditions::MYSQL_READY,
            conditions::REDIS_READY,
            conditions::KAFKA_READY,
            conditions::DOCUMENTS_READY,
            conditions::SCHEMA_READY,
            conditions::USER_READY,
            conditions::STORAGE_READY,
            conditions::CHAT_READY,
            conditions::GATEWAY_READY,
            conditions::LOAD_BALANCER_READY,
            conditions::MODEL_READY,
        ];
        for type_ in all {
            let condition =
                condition(&ready, type_).unwrap_or_else(|| panic!("no condition {type_}"));
            assert_eq!(condition.status, "True", "{condition:?}");
            assert_eq!(
                condition.observed_generation, ready.metadata.generation,
                "{condition:?}"
            );
            assert!(
                !condition.reason.is_empty() && !condition.message.is_empty(),
                "{condition:?}"
            );
        }
        assert!(system::is_ready(&ready));
        let status = ready.status.unwrap();
        assert!(status.waiting_for.is_empty(), "{:?}", status.waiting_for);
        let EngineStatus {
            version,
            primary,
            ready: online,
            members,
        } = status.components.mysql.unwrap();
        assert!(version.is_some_and(|version| !version.is_empty()));
        assert_eq!(online.as_deref(), Some("3/3"));
        let roles: Vec<&str> = members
            .iter()
            .filter_map(|member| member.role.as_deref())
            .collect();
        assert_eq!(
            roles.iter().filter(|role| **role == "PRIMARY").count(),
            1,
            "{members:?}"
        );
        assert!(
            members.iter().all(|member| member.state == "ONLINE"),
            "{members:?}"
        );
        assert!(
            members
                .iter()
                .any(|member| Some(&member.name) == primary.as_ref()),
            "{members:?}"
        );
        assert_eq!(
            status.components.redis.unwrap().ready.as_deref(),
            Some("3/3")
        );
        assert_eq!(
            status.components.kafka.unwrap().ready.as_deref(),
            Some("3/3")
        );
        assert_eq!(status.components.chat.unwrap().ready, "2/2");

        let endpoint = status.endpoint.unwrap();
        assert_eq!(
            client()?.get(&endpoint).send().await.unwrap().status(),
            200,
            "{endpoint}"
        );
        let turn = Person::register(&system.url().await?)
            .await?
            .ask(None, "hello")
            .await?;
        assert!(turn.answer.content.contains("hello"), "{turn:?}");

        for component in [
            MYSQL,
            REDIS,
            KAFKA,
            DOCUMENTS,
            LOAD_BALANCER,
            "gateway",
            "chat",
            "user",
            "storage",
        ] {
            check_pods(component, &system.pods(component).await?);
        }
        Ok(())
    })
    .await
}

/// Pods of one component stand on different nodes, never restarted, with requests and limits.
fn check_pods(component: &str, pods: &[Pod]) {
    let nodes: BTreeSet<_> = pods
        .iter()
        .map(|pod| pod.spec.as_ref().unwrap().node_name.clone())
        .collect();
    assert_eq!(nodes.len(), pods.len(), "pods of {component} share a node");
    let restarts = chatbot_e2e::faults::restarts(pods);
    assert!(restarts.values().all(|count| *count == 0), "{restarts:?}");
    for pod in pods {
        let spec = pod.spec.as_ref().unwrap();
        for container in spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
        {
            let resources = container.resources.clone().unwrap_or_default();
            for quantities in [resources.requests, resources.limits] {
                let quantities: BTreeMap<_, _> = quantities.unwrap_or_default();
                assert!(
                    quantities.contains_key("memory"),
                    "{component}/{}",
                    container.name
                );
                assert!(
                    quantities.contains_key("cpu"),
                    "{component}/{}",
                    container.name
                );
            }
        }
    }
}
