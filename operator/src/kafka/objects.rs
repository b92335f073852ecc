//! The build step: the objects that the members are made of.
//!
//! A StatefulSet whose pods come up in parallel, since on empty volumes all must be heard before there is a quorum,
//! and are restarted one after the other, when the one before is in step again. A Service for each member, by whose
//! name it is announced.

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Volume};
use kube::api::ObjectMeta;

use chatbot_contract::{identity, kafka, paths, ports};

use super::plan::Managed;
use crate::build::service::{member_service, port_named};
use crate::build::stateful_set::{self, Parts};
use crate::build::{account, agent, budget, config, env, pod};
use crate::child::Child;
use crate::{labels, names};

/// The server's container.
const CONTAINER: &str = "kafka";
/// User and group of the server in the official image.
const USER: i64 = 1000;
/// Another must lead this member's partitions, and what it wrote must reach the disk; the agent kills it after 20 s.
const GRACE_SECONDS: i64 = 30;
const CONFIG_FILE: &str = "server.properties";

/// All of them, in the order of need.
pub(super) fn build(plan: &Managed) -> Vec<Child> {
    let selector = labels::selector(&plan.deployment, names::KAFKA);
    let mut children = vec![
        account::account(&plan.name()),
        config::config(plan.config_name(), CONFIG_FILE, &plan.config),
    ];
    children.extend(plan.members().map(|member| service(plan, member)));
    children.extend(budget::budget(
        &plan.name(),
        selector.clone(),
        plan.replicas,
    ));
    children.push(stateful_set::stateful_set(Parts {
        name: plan.name(),
        service: None,
        replicas: plan.replicas,
        by_hand: false,
        // Nobody can take up what is left there: another quorum is made when Kafka is wanted again.
        delete_volumes: true,
        template: pod::merged(template(plan), plan.template.clone(), &selector),
        claim: stateful_set::claim(&plan.deployment, names::KAFKA, &plan.storage),
        selector,
    }));
    children
}

fn service(plan: &Managed, member: String) -> Child {
    let selector = labels::selector(&plan.deployment, names::KAFKA);
    let ports = vec![
        port_named("kafka", ports::KAFKA, "kafka", None),
        port_named("quorum", ports::KAFKA_QUORUM, "quorum", None),
        port_named("members", ports::KAFKA_MEMBERS, "members", None),
        port_named("agent", ports::KAFKA_AGENT, "agent", None),
    ];
    member_service(member, selector, ports)
}

fn template(plan: &Managed) -> PodTemplateSpec {
    let selector = labels::selector(&plan.deployment, names::KAFKA);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::common(&plan.deployment, names::KAFKA)),
            annotations: Some(
                [(labels::CONFIG_HASH.to_owned(), config::hash(&plan.config))].into(),
            ),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(plan.name()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(pod::restricted_pod(USER)),
            topology_spread_constraints: Some(vec![pod::spread(selector, false)]),
            init_containers: Some(vec![agent::install(&plan.agent_image)]),
            containers: vec![server(plan)],
            volumes: Some(volumes(plan)),
            ..PodSpec::default()
        }),
    }
}

fn server(plan: &Managed) -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image: Some(plan.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec![agent::program()]),
        args: Some(
            [
                "kafka-agent",
                "--config",
                "/etc/chatbot/kafka/server.properties",
            ]
            .map(str::to_owned)
            .into(),
        ),
        env: Some(vec![
            env::field("POD_NAME", "metadata.name"),
            env::value("MEMBERS", plan.members().collect::<Vec<_>>().join(",")),
            env::value("MEMBER_DOMAIN", format!(".{}.svc", plan.namespace)),
            env::memory_limit("MEMORY_LIMIT"),
        ]),
        ports: Some(vec![
            pod::port("kafka", ports::KAFKA),
            pod::port("quorum", ports::KAFKA_QUORUM),
            pod::port("members", ports::KAFKA_MEMBERS),
            pod::port("agent", ports::KAFKA_AGENT),
        ]),
        resources: Some(plan.resources.clone()),
        security_context: Some(pod::restricted_container()),
        // The agent answers from its first moment; a server that hangs no longer serves, and others do.
        liveness_probe: Some(pod::http_probe(paths::LIVEZ, "agent", 10, 6)),
        readiness_probe: Some(pod::http_probe(paths::READYZ, "agent", 2, 2)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            pod::mount("data", "/data", false),
            pod::mount("runtime", "/run/kafka", false),
            pod::mount("tmp", "/tmp", false),
            agent::mount(),
            pod::mount("identity", "/etc/chatbot/identity", true),
            pod::mount("config", "/etc/chatbot/kafka", true),
        ]),
        ..Container::default()
    }
}

fn volumes(plan: &Managed) -> Vec<Volume> {
    let passwords = kafka::ACCOUNTS.map(identity::kafka_password);
    let items: Vec<(&str, &str)> = std::iter::once(identity::KAFKA_AGENT_TOKEN)
        .chain(passwords.iter().map(String::as_str))
        .map(|key| (key, key))
        .collect();
    vec![
        agent::volume(),
        pod::empty_dir("tmp"),
        // The agent writes passwords there for the server to read at its start.
        pod::memory("runtime", "8Mi"),
        pod::secret_volume("identity", &names::identity(&plan.deployment), &items),
        pod::config_volume("config", &plan.config_name()),
    ]
}
