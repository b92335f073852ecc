//! The load balancer's pod.

use std::collections::BTreeMap;

use chatbot_contract::{DRAIN_SECONDS, SHUTDOWN_SECONDS, TERMINATION_GRACE_SECONDS};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ExecAction, Lifecycle, LifecycleHandler, PodSpec,
    PodTemplateSpec, Volume,
};
use kube::api::ObjectMeta;
use sha2::{Digest, Sha256};

use super::configuration::{FILE, FOLDER, PID_FILE, TLS_FOLDER, configuration};
use super::{Plan, container_ports};
use crate::apply::hex;
use crate::build::pod;
use crate::{labels, names};

/// User and group of the official image.
const USER: i64 = 101;

/// Makes the pod template.
pub(super) fn template(plan: &Plan) -> PodTemplateSpec {
    let name = names::of(&plan.deployment, names::LOAD_BALANCER);
    let labels = labels::common(&plan.deployment, names::LOAD_BALANCER);
    let selector = labels::selector(&plan.deployment, names::LOAD_BALANCER);
    let file = format!("{FOLDER}/{FILE}");
    let command = ["nginx", "-e", "stderr", "-c", &file, "-g", "daemon off;"];
    let mut volumes = vec![
        Volume {
            name: "configuration".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: name.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        pod::empty_dir("tmp"),
    ];
    let mut mounts = vec![
        pod::mount("configuration", FOLDER, true),
        pod::mount("tmp", "/tmp", false),
    ];
    if let Some(tls) = &plan.tls {
        let items = [("tls.crt", "tls.crt"), ("tls.key", "tls.key")];
        volumes.push(pod::secret_volume("tls", &tls.secret, &items));
        mounts.push(pod::mount("tls", TLS_FOLDER, true));
    }
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels.clone()),
            annotations: Some(BTreeMap::from([(
                labels::CONFIG_HASH.to_owned(),
                hash(plan),
            )])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(name),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: i64::try_from(TERMINATION_GRACE_SECONDS).ok(),
            security_context: Some(pod::restricted_pod(USER)),
            topology_spread_constraints: Some(vec![pod::spread(selector, true)]),
            tolerations: Some(pod::leave_lost_nodes()),
            volumes: Some(volumes),
            containers: vec![Container {
                name: "nginx".to_owned(),
                image: Some(plan.image.clone()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                command: Some(command.map(str::to_owned).into()),
                ports: Some(
                    container_ports()
                        .into_iter()
                        .filter(|(name, _)| *name != "https" || plan.tls.is_some())
                        .map(|(name, number)| pod::port(name, number))
                        .collect(),
                ),
                lifecycle: Some(Lifecycle {
                    pre_stop: Some(LifecycleHandler {
                        exec: Some(ExecAction {
                            command: Some(stop()),
                        }),
                        ..LifecycleHandler::default()
                    }),
                    ..Lifecycle::default()
                }),
                startup_probe: Some(pod::http_probe("/healthz", "admin", 1, 30)),
                liveness_probe: Some(pod::http_probe("/healthz", "admin", 10, 3)),
                readiness_probe: Some(pod::http_probe("/healthz", "admin", 2, 2)),
                resources: Some(plan.resources.clone()),
                security_context: Some(pod::restricted_container()),
                termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
                volume_mounts: Some(mounts),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
    };
    pod::merged(template, plan.template.clone(), &labels)
}

/// Serves on until the Service has forgotten the pod, then lets running requests end. The signal
/// that follows this command would cut them, so it lasts until nginx is gone, which ends it too.
///
/// `nginx -s quit` is no use here: it reads the configuration first, and fails when the gateway's
/// Service is already deleted.
fn stop() -> Vec<String> {
    let script = format!(
        "sleep {DRAIN_SECONDS}; kill -QUIT \"$(cat {PID_FILE})\"; sleep {SHUTDOWN_SECONDS}"
    );
    vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
}

/// Changes with the configuration and the certificate.
fn hash(plan: &Plan) -> String {
    let mut hash = Sha256::new();
    hash.update(configuration(plan));
    if let Some(tls) = &plan.tls {
        hash.update(&tls.content);
    }
    hex(&hash.finalize()[..8])
}
