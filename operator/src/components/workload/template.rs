//! The pod of a workload.

use std::collections::{BTreeMap, BTreeSet};

use chatbot_contract::{TERMINATION_GRACE_SECONDS, ports};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use kube::api::ObjectMeta;

use super::{Plan, SecretFile};
use crate::build::pod;
use crate::{labels, names};

/// User and group of the workloads' image.
pub(crate) const USER: i64 = 65532;
/// Where the secrets are mounted, a folder for each Secret.
const SECRETS: &str = "/etc/chatbot";

/// Makes the pod template.
pub(super) fn template(plan: &Plan) -> PodTemplateSpec {
    let component = plan.workload.name();
    let labels = labels::common(&plan.deployment, component);
    let selector = labels::selector(&plan.deployment, component);
    let [startup, liveness, readiness] = pod::workload_probes("admin");
    let (volumes, mounts, paths) = secret_files(&plan.secrets);
    let mut env = plan.variables.clone();
    env.extend(paths);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels.clone()),
            annotations: Some(BTreeMap::from([(
                labels::CONFIG_HASH.to_owned(),
                plan.config_hash.clone(),
            )])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(names::of(&plan.deployment, component)),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: i64::try_from(TERMINATION_GRACE_SECONDS).ok(),
            security_context: Some(pod::restricted_pod(USER)),
            topology_spread_constraints: Some(vec![pod::spread(selector, true)]),
            tolerations: Some(pod::leave_lost_nodes()),
            volumes: (!volumes.is_empty()).then_some(volumes),
            containers: vec![Container {
                name: component.to_owned(),
                image: Some(plan.image.clone()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                args: Some(vec![component.to_owned()]),
                env: Some(env),
                ports: Some(vec![
                    pod::port("http", ports::HTTP),
                    pod::port("admin", ports::ADMIN),
                ]),
                startup_probe: Some(startup),
                liveness_probe: Some(liveness),
                readiness_probe: Some(readiness),
                resources: Some(plan.resources.clone()),
                security_context: Some(pod::restricted_container()),
                termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
                volume_mounts: (!mounts.is_empty()).then_some(mounts),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
    };
    pod::merged(template, plan.template.clone(), &labels)
}

/// Volumes, mounts and variables of secrets: a volume for each Secret with only the keys used.
pub(crate) fn secret_files(
    files: &[SecretFile],
) -> (
    Vec<k8s_openapi::api::core::v1::Volume>,
    Vec<k8s_openapi::api::core::v1::VolumeMount>,
    Vec<EnvVar>,
) {
    let mut by_secret: BTreeMap<&str, Vec<&SecretFile>> = BTreeMap::new();
    for file in files {
        by_secret.entry(&file.secret).or_default().push(file);
    }
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    let mut variables = Vec::new();
    for (index, (secret, files)) in by_secret.into_iter().enumerate() {
        // Names of Secrets may be longer than names of volumes.
        let volume = format!("secret-{index}");
        let folder = format!("{SECRETS}/{volume}");
        // Two servers may have one authority: its key is one file.
        let keys: BTreeSet<&str> = files.iter().map(|file| file.key.as_str()).collect();
        let items: Vec<(&str, &str)> = keys.into_iter().map(|key| (key, key)).collect();
        volumes.push(pod::secret_volume(&volume, secret, &items));
        mounts.push(pod::mount(&volume, &folder, true));
        variables.extend(files.iter().map(|file| EnvVar {
            name: file.variable.to_owned(),
            value: Some(format!("{folder}/{}", file.key)),
            value_from: None,
        }));
    }
    (volumes, mounts, variables)
}
