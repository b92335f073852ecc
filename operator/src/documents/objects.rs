//! The build step of FerretDB: the objects that the store is made of.
//!
//! One pod with two programs. PostgreSQL comes first and goes last (a sidecar, in Kubernetes' words): FerretDB begins
//! when the account is there. FerretDB believes every account it knows with everything, so a NetworkPolicy lets in
//! storage alone, and PostgreSQL listens inside the pod only.

use k8s_openapi::api::core::v1::{
    Container, HTTPGetAction, PodSpec, PodTemplateSpec, Probe, Volume,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use chatbot_contract::{Workload, identity, paths, ports};

use super::plan::FerretDb;
use crate::build::service::{internal_to, port_named};
use crate::build::stateful_set::{self, Parts};
use crate::build::{account, agent, env, network_policy, pod};
use crate::child::Child;
use crate::{labels, names};

/// PostgreSQL's container, and FerretDB's.
const POSTGRES: &str = "postgres";
const FERRETDB: &str = "ferretdb";
/// User and group of PostgreSQL in the official image, and of FerretDB.
const POSTGRES_USER: i64 = 999;
const FERRETDB_USER: i64 = 1000;
/// PostgreSQL writes what is in memory before it ends.
const GRACE_SECONDS: i64 = 60;
/// Port of FerretDB's own probes.
const DEBUG_PORT: u16 = 8088;
/// A first start makes the data folder and the extension (seconds, and how often it is asked).
const START_EVERY: i32 = 1;
const START_TRIES: i32 = 300;

/// All of them, in the order of need.
pub(super) fn build(plan: &FerretDb) -> Vec<Child> {
    let selector = labels::selector(&plan.deployment, names::DOCUMENTS);
    let storage = labels::selector(&plan.deployment, Workload::Storage.name());
    let port = port_named("documents", ports::DOCUMENTS, "documents", None);
    vec![
        account::account(&plan.name()),
        network_policy::only(
            &plan.name(),
            &selector,
            ports::DOCUMENTS,
            &[&storage],
            ports::DOCUMENTS_AGENT,
        ),
        internal_to(&plan.name(), selector.clone(), port),
        stateful_set::stateful_set(Parts {
            name: plan.name(),
            service: None,
            replicas: 1,
            by_hand: false,
            // What stands there can be made again: it is not worth a volume that nobody uses.
            delete_volumes: true,
            template: pod::merged(template(plan), plan.template.clone(), &selector),
            claim: stateful_set::claim(&plan.deployment, names::DOCUMENTS, &plan.storage),
            selector,
        }),
    ]
}

fn template(plan: &FerretDb) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::common(&plan.deployment, names::DOCUMENTS)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(plan.name()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(pod::restricted_pod(POSTGRES_USER)),
            init_containers: Some(vec![agent::install(&plan.agent_image), postgres(plan)]),
            containers: vec![ferretdb(plan)],
            volumes: Some(volumes(plan)),
            ..PodSpec::default()
        }),
    }
}

fn postgres(plan: &FerretDb) -> Container {
    Container {
        name: POSTGRES.to_owned(),
        image: Some(plan.postgres_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        restart_policy: Some("Always".to_owned()),
        command: Some(vec![agent::program()]),
        args: Some(vec!["documents-agent".to_owned()]),
        env: Some(vec![env::memory_limit("MEMORY_LIMIT")]),
        ports: Some(vec![pod::port("agent", ports::DOCUMENTS_AGENT)]),
        resources: Some(plan.resources.clone()),
        security_context: Some(pod::restricted_container()),
        startup_probe: Some(pod::http_probe(
            paths::READYZ,
            "agent",
            START_EVERY,
            START_TRIES,
        )),
        liveness_probe: Some(pod::http_probe(paths::LIVEZ, "agent", 10, 6)),
        readiness_probe: Some(pod::http_probe(paths::READYZ, "agent", 2, 2)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            pod::mount("data", "/data", false),
            pod::mount("runtime", "/run/documents", false),
            pod::mount("tmp", "/tmp", false),
            agent::mount(),
            pod::mount("identity", "/etc/chatbot/identity", true),
        ]),
        ..Container::default()
    }
}

fn ferretdb(plan: &FerretDb) -> Container {
    let probe = |path: &str, period, failures| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("debug".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    };
    let mut security = pod::restricted_container();
    security.run_as_user = Some(FERRETDB_USER);
    security.run_as_group = Some(FERRETDB_USER);
    Container {
        name: FERRETDB.to_owned(),
        image: Some(plan.ferretdb_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["/ferretdb".to_owned()]),
        args: Some(vec![
            format!("--listen-addr=:{}", ports::DOCUMENTS),
            format!("--debug-addr=:{DEBUG_PORT}"),
            format!("--postgresql-url={}", super::agent::ADDRESS),
            "--state-dir=/tmp".to_owned(),
            "--telemetry=disable".to_owned(),
        ]),
        ports: Some(vec![
            pod::port("documents", ports::DOCUMENTS),
            pod::port("debug", DEBUG_PORT),
        ]),
        resources: Some(pod::resources(None, ["20m", "48Mi"], ["1", "256Mi"])),
        security_context: Some(security),
        liveness_probe: Some(probe("/debug/livez", 10, 6)),
        readiness_probe: Some(probe("/debug/readyz", 5, 2)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![pod::mount("front", "/tmp", false)]),
        ..Container::default()
    }
}

fn volumes(plan: &FerretDb) -> Vec<Volume> {
    let items = [
        identity::DOCUMENTS_AGENT_TOKEN,
        identity::DOCUMENTS_PASSWORD,
    ]
    .map(|key| (key, key));
    vec![
        agent::volume(),
        pod::empty_dir("tmp"),
        pod::empty_dir("front"),
        // The agent writes the account's password there for its set-up.
        pod::memory("runtime", "8Mi"),
        pod::secret_volume("identity", &names::identity(&plan.deployment), &items),
    ]
}
