//! The build step: the objects a group is made of.
//!
//! A StatefulSet of which the operator orders the restarts (`OnDelete`): Kubernetes does not know
//! who is primary. Pods come up in parallel, since after a full outage all must be heard. A budget
//! lets evictions take as many members as the group can lose: `(n - 1) / 2`.

use std::collections::BTreeMap;

use chatbot_contract::{identity, mysql, paths, ports};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    ObjectFieldSelector, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec,
    PodTemplateSpec, Service, ServiceAccount, ServiceSpec, Volume, VolumeResourceRequirements,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use sha2::{Digest, Sha256};

use super::plan::Plan;
use crate::agent::PROGRAM;
use crate::apply::hex;
use crate::build::pod;
use crate::build::service::port_named;
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
        account(plan),
        role(plan),
        role_binding(plan),
        config(plan),
        members_service(plan),
        primary_service(plan),
    ];
    children.extend(budget(plan));
    children.push(stateful_set(plan));
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

fn account(plan: &Plan) -> Child {
    Child::new(&ServiceAccount {
        metadata: named(plan.name()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
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

fn config(plan: &Plan) -> Child {
    Child::new(&ConfigMap {
        metadata: named(plan.config_name()),
        data: Some([(CONFIG_FILE.to_owned(), plan.config.clone())].into()),
        ..ConfigMap::default()
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

fn stateful_set(plan: &Plan) -> Child {
    let delete_or_retain = if plan.delete_volumes {
        "Delete"
    } else {
        "Retain"
    };
    Child::new(&StatefulSet {
        metadata: named(plan.name()),
        spec: Some(StatefulSetSpec {
            service_name: Some(names::mysql_members(&plan.deployment)),
            replicas: Some(plan.replicas),
            revision_history_limit: Some(3),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(delete_or_retain.to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            selector: LabelSelector {
                match_labels: Some(selector(plan)),
                ..LabelSelector::default()
            },
            template: pod::merged(template(plan), plan.template.clone(), &selector(plan)),
            volume_claim_templates: Some(vec![claim(plan)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}

fn claim(plan: &Plan) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some("data".to_owned()),
            labels: Some(labels::common(&plan.deployment, names::MYSQL)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: plan.storage.class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(
                    [("storage".to_owned(), Quantity(plan.storage.size.clone()))].into(),
                ),
                ..VolumeResourceRequirements::default()
            }),
            volume_mode: Some("Filesystem".to_owned()),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

fn template(plan: &Plan) -> PodTemplateSpec {
    // Only what was chosen: the agent writes the rest, and a changed agent is a changed image.
    let hash = hex(&Sha256::digest(plan.config.as_bytes())[..8]);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::common(&plan.deployment, names::MYSQL)),
            annotations: Some([(labels::CONFIG_HASH.to_owned(), hash)].into()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(plan.name()),
            automount_service_account_token: Some(true),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(pod::restricted_pod(USER)),
            topology_spread_constraints: Some(vec![pod::spread(selector(plan), false)]),
            init_containers: Some(vec![install(plan)]),
            containers: vec![server(plan)],
            volumes: Some(volumes(plan)),
            ..PodSpec::default()
        }),
    }
}

/// Copies the agent into the pod: the engine's image stays as its makers made it.
fn install(plan: &Plan) -> Container {
    Container {
        name: "agent".to_owned(),
        image: Some(plan.agent_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(
            ["mysql-agent", "install", "/agent"]
                .map(str::to_owned)
                .into(),
        ),
        resources: Some(pod::resources(None, ["20m", "16Mi"], ["1", "128Mi"])),
        security_context: Some(pod::restricted_container()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![pod::mount("agent", "/agent", false)]),
        ..Container::default()
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
        command: Some(vec![format!("/agent/{PROGRAM}")]),
        args: Some(
            [
                "mysql-agent",
                "run",
                "--config",
                "/etc/chatbot/mysql/mysqld.cnf",
            ]
            .map(str::to_owned)
            .into(),
        ),
        env: Some(vec![
            from_field("POD_NAME", "metadata.name"),
            from_field("POD_NAMESPACE", "metadata.namespace"),
            from_field("POD_IP", "status.podIP"),
            value("MEMBER_HOST", format!("$(POD_NAME).{members}")),
            value("MEMBER_PEERS", members),
            value("INTENT_CONFIG_MAP", plan.intent_name()),
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
            pod::mount("agent", "/agent", true),
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
        pod::empty_dir("agent"),
        pod::empty_dir("tmp"),
        // In memory: the agent writes passwords there for the server to read at its start.
        Volume {
            name: "runtime".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: Some(Quantity("8Mi".to_owned())),
            }),
            ..Volume::default()
        },
        pod::secret_volume("identity", &names::identity(&plan.deployment), &items),
        Volume {
            name: "config".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: plan.config_name(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    ]
}

fn value(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

fn from_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
    }
}
