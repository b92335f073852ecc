//! The build step: the objects a group is made of.
//!
//! A StatefulSet of which the operator orders the restarts (`OnDelete`): Kubernetes does not know
//! who is primary. Pods come up in parallel, since after a full outage all must be heard. A budget
//! lets evictions take as many members as the group can lose: `(n - 1) / 2`.

use std::collections::BTreeMap;

use chatbot_contract::{identity, mysql, paths, ports};
use k8s_openapi::api::core::v1::{
    Container, PodSpec, PodTemplateSpec, Service, ServiceSpec, Volume,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use super::plan::Plan;
use crate::build::service::port_named;
use crate::build::stateful_set::{self, Parts};
use crate::build::{account, agent, config, env, pod};
use crate::child::Child;
use crate::{labels, names};

/// Label of a member's pod: what the group says it is.
pub const ROLE: &str = "chatbot.rs/mysql-role";
/// Value of [`ROLE`] for the member that takes writes.
pub const PRIMARY: &str = "primary";
/// Value of [`ROLE`] for one that follows.
pub(super) const SECONDARY: &str = "secondary";

/// The server's container.
pub const CONTAINER: &str = "mysql";
/// User and group of the server in the official image.
const USER: i64 = 999;
/// A clean end of a large server takes its time; the agent's own limits lie well within.
const GRACE_SECONDS: i64 = 120;
const CONFIG_FILE: &str = "mysqld.cnf";

/// All of them, in the order of need.
pub(super) fn build(plan: &Plan) -> Vec<Child> {
    let mut children = vec![
        account::account(&plan.name()),
        role(plan),
        role_binding(plan),
        config::config(plan.config_name(), CONFIG_FILE, &plan.config),
        members_service(plan),
        primary_service(plan),
    ];
    children.extend(budget(plan));
    children.push(set(plan));
    children
}

fn named(name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        ..ObjectMeta::default()
    }
}

fn selector(plan: &Plan) -> BTreeMap<String, String> {
    labels::selector(&plan.deployment, names::MYSQL)
}

/// An agent may read the one object that tells it to make a group.
fn role(plan: &Plan) -> Child {
    Child::new(&Role {
        metadata: named(plan.name()),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec!["configmaps".to_owned()]),
            resource_names: Some(vec![plan.intent_name()]),
            verbs: vec!["get".to_owned()],
            ..PolicyRule::default()
        }]),
    })
}

fn role_binding(plan: &Plan) -> Child {
    Child::new(&RoleBinding {
        metadata: named(plan.name()),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: plan.name(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: plan.name(),
            namespace: Some(plan.namespace.clone()),
            ..Subject::default()
        }]),
    })
}

/// A name for each member, also while it is not ready: members must find each other to become so.
fn members_service(plan: &Plan) -> Child {
    Child::new(&Service {
        metadata: named(names::mysql_members(&plan.deployment)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(plan)),
            ports: Some(vec![
                port_named("mysql", ports::MYSQL, "mysql", None),
                port_named("agent", ports::MYSQL_AGENT, "agent", None),
            ]),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

/// The primary, for people and tools; workloads ask the group itself.
fn primary_service(plan: &Plan) -> Child {
    let mut selector = selector(plan);
    selector.insert(ROLE.to_owned(), PRIMARY.to_owned());
    Child::new(&Service {
        metadata: named(plan.name()),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector),
            ports: Some(vec![port_named("mysql", ports::MYSQL, "mysql", None)]),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

fn budget(plan: &Plan) -> Option<Child> {
    (plan.replicas > 1).then(|| {
        Child::new(&PodDisruptionBudget {
            metadata: named(plan.name()),
            spec: Some(PodDisruptionBudgetSpec {
                max_unavailable: Some(IntOrString::Int((plan.replicas - 1) / 2)),
                selector: Some(LabelSelector {
                    match_labels: Some(selector(plan)),
                    ..LabelSelector::default()
                }),
                ..PodDisruptionBudgetSpec::default()
            }),
            ..PodDisruptionBudget::default()
        })
    })
}

fn set(plan: &Plan) -> Child {
    stateful_set::stateful_set(Parts {
        name: plan.name(),
        service: Some(names::mysql_members(&plan.deployment)),
        replicas: plan.replicas,
        by_hand: true,
        delete_volumes: plan.delete_volumes,
        template: pod::merged(template(plan), plan.template.clone(), &selector(plan)),
        claim: stateful_set::claim(&plan.deployment, names::MYSQL, &plan.storage),
        selector: selector(plan),
    })
}

fn template(plan: &Plan) -> PodTemplateSpec {
    // Only what was chosen: the agent writes the rest, and a changed agent is a changed image.
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::common(&plan.deployment, names::MYSQL)),
            annotations: Some(
                [(labels::CONFIG_HASH.to_owned(), config::hash(&plan.config))].into(),
            ),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(plan.name()),
            automount_service_account_token: Some(true),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(pod::restricted_pod(USER)),
            topology_spread_constraints: Some(vec![pod::spread(selector(plan), false)]),
            init_containers: Some(vec![agent::install(&plan.agent_image)]),
            containers: vec![server(plan)],
            volumes: Some(volumes(plan)),
            ..PodSpec::default()
        }),
    }
}

fn server(plan: &Plan) -> Container {
    let members = format!(
        "{}.{}.svc",
        names::mysql_members(&plan.deployment),
        plan.namespace
    );
    Container {
        name: CONTAINER.to_owned(),
        image: Some(plan.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec![agent::program()]),
        args: Some(
            ["mysql-agent", "--config", "/etc/chatbot/mysql/mysqld.cnf"]
                .map(str::to_owned)
                .into(),
        ),
        env: Some(vec![
            env::field("POD_NAME", "metadata.name"),
            env::field("POD_NAMESPACE", "metadata.namespace"),
            env::field("POD_IP", "status.podIP"),
            env::value("MEMBER_HOST", format!("$(POD_NAME).{members}")),
            env::value("MEMBER_PEERS", members),
            env::value("INTENT_CONFIG_MAP", plan.intent_name()),
        ]),
        ports: Some(vec![
            pod::port("mysql", ports::MYSQL),
            pod::port("agent", ports::MYSQL_AGENT),
        ]),
        resources: Some(plan.resources.clone()),
        security_context: Some(pod::restricted_container()),
        // The agent answers from its first moment; a server that hangs is no reason to kill it.
        liveness_probe: Some(pod::http_probe(paths::LIVEZ, "agent", 10, 6)),
        readiness_probe: Some(pod::http_probe(paths::READYZ, "agent", 2, 2)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            pod::mount("data", "/var/lib/mysql", false),
            pod::mount("runtime", "/var/run/mysqld", false),
            pod::mount("tmp", "/tmp", false),
            agent::mount(),
            pod::mount("identity", "/etc/chatbot/identity", true),
            pod::mount("config", "/etc/chatbot/mysql", true),
        ]),
        ..Container::default()
    }
}

fn volumes(plan: &Plan) -> Vec<Volume> {
    let passwords = mysql::ACCOUNTS.map(identity::mysql_password);
    let keys: Vec<&str> = [identity::MYSQL_GROUP_ID, identity::MYSQL_AGENT_TOKEN]
        .into_iter()
        .chain(passwords.iter().map(String::as_str))
        .collect();
    let items: Vec<(&str, &str)> = keys.iter().map(|&key| (key, key)).collect();
    vec![
        agent::volume(),
        pod::empty_dir("tmp"),
        // The agent writes passwords there for the server to read at its start.
        pod::memory("runtime", "8Mi"),
        pod::secret_volume("identity", &names::identity(&plan.deployment), &items),
        pod::config_volume("config", &plan.config_name()),
    ]
}
