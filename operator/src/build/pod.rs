//! Parts of pods that every component has, and the merge of what the spec adds to a pod.

use std::collections::BTreeMap;

use chatbot_contract::paths;
use chatbot_crds::{PodTemplate, Resources};
use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, ContainerPort, EmptyDirVolumeSource, HTTPGetAction,
    KeyToPath, PodSecurityContext, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use crate::reason::{Problem, Reason};

/// What Pod Security `restricted` asks of a container.
#[must_use]
pub fn restricted_container() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

/// What Pod Security `restricted` asks of a pod whose processes run as this user and group.
#[must_use]
pub fn restricted_pod(id: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(id),
        run_as_group: Some(id),
        fs_group: Some(id),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

/// Spreads the pods over the nodes, each rollout by itself; a node too few holds nothing up.
#[must_use]
pub fn spread(selector: BTreeMap<String, String>, by_rollout: bool) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector),
            ..LabelSelector::default()
        }),
        match_label_keys: by_rollout.then(|| vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }
}

/// Pods without state leave a node that is lost after seconds; the default is five minutes.
#[must_use]
pub fn leave_lost_nodes() -> Vec<Toleration> {
    ["not-ready", "unreachable"]
        .map(|state| Toleration {
            key: Some(format!("node.kubernetes.io/{state}")),
            operator: Some("Exists".to_owned()),
            effect: Some("NoExecute".to_owned()),
            toleration_seconds: Some(10),
            ..Toleration::default()
        })
        .into()
}

/// Requests and limits: the spec's, or the defaults where it has none.
///
/// Limits are there for namespaces whose quota asks for them; a CPU limit as wide as this throttles
/// nothing in ordinary use.
#[must_use]
pub fn resources(
    spec: Option<&Resources>,
    requests: [&str; 2],
    limits: [&str; 2],
) -> ResourceRequirements {
    let map = |[cpu, memory]: [&str; 2]| {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
        ])
    };
    spec.map_or_else(
        || ResourceRequirements {
            requests: Some(map(requests)),
            limits: Some(map(limits)),
            ..ResourceRequirements::default()
        },
        ResourceRequirements::from,
    )
}

/// A probe of an HTTP path on a port with this name.
#[must_use]
pub fn http_probe(path: &str, port: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(port.to_owned()),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

/// Startup, liveness and readiness probes of a workload: a minute to start, half a minute of
/// silence before it is restarted, seconds before it gets no new requests.
#[must_use]
pub fn workload_probes(port: &str) -> [Probe; 3] {
    [
        http_probe(paths::LIVEZ, port, 1, 60),
        http_probe(paths::LIVEZ, port, 10, 3),
        http_probe(paths::READYZ, port, 2, 2),
    ]
}

/// A port of a container.
#[must_use]
pub fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// An empty directory that lives as long as the pod.
#[must_use]
pub fn empty_dir(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

/// An empty directory in memory, of this size at most: for what must not stand on a disk.
#[must_use]
pub fn memory(name: &str, limit: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}

/// A volume with the keys of a ConfigMap, each in a file of its own.
#[must_use]
pub fn config_volume(name: &str, config_map: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A volume with some keys of a Secret, each in a file of its own, readable by the pod's group.
#[must_use]
pub fn secret_volume(name: &str, secret: &str, items: &[(&str, &str)]) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(0o440),
            items: Some(
                items
                    .iter()
                    .map(|(key, path)| KeyToPath {
                        key: (*key).to_owned(),
                        path: (*path).to_owned(),
                        ..KeyToPath::default()
                    })
                    .collect(),
            ),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A mount of a volume; all but empty directories are read-only.
#[must_use]
pub fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// Reads the spec's `podTemplate` as a partial pod.
///
/// # Errors
/// It is not one: the message names the field of the spec and what is wrong in it.
pub fn parse_template(
    field: &str,
    template: Option<&PodTemplate>,
) -> Result<Option<PodTemplateSpec>, Problem> {
    let Some(PodTemplate(map)) = template else {
        return Ok(None);
    };
    let given = Value::Object(map.clone());
    let parsed: PodTemplateSpec = serde_json::from_value(given.clone()).map_err(|error| {
        Problem::new(
            Reason::InvalidSpec,
            format!("{field} is not a partial pod template: {error}"),
        )
    })?;
    let understood = serde_json::to_value(&parsed).unwrap_or_default();
    if let Some(path) = unknown(&given, &understood, field) {
        return Err(Problem::new(
            Reason::InvalidSpec,
            format!("{path} is not a field of a pod template: take it out, or correct its name"),
        ));
    }
    Ok(Some(parsed))
}

/// The first field of `given` that was not understood.
fn unknown(given: &Value, understood: &Value, path: &str) -> Option<String> {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .find_map(|(key, value)| {
                let path = format!("{path}.{key}");
                match understood.get(key) {
                    Some(understood) => unknown(value, understood, &path),
                    None => Some(path),
                }
            }),
        (Value::Array(given), Value::Array(understood)) => given
            .iter()
            .zip(understood)
            .enumerate()
            .find_map(|(index, (given, understood))| {
                unknown(given, understood, &format!("{path}[{index}]"))
            }),
        _ => None,
    }
}

/// Merges the spec's partial pod over ours, lists by their keys; what selects the pods stays.
#[must_use]
pub fn merged(
    mut template: PodTemplateSpec,
    over: Option<PodTemplateSpec>,
    labels: &BTreeMap<String, String>,
) -> PodTemplateSpec {
    if let Some(over) = over {
        template.merge_from(over);
    }
    template
        .metadata
        .get_or_insert_default()
        .labels
        .get_or_insert_default()
        .extend(labels.clone());
    template
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    fn template(value: Value) -> PodTemplate {
        serde_json::from_value(value).unwrap()
    }

    fn pod(value: Value) -> PodTemplateSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn containers_and_variables_are_merged_by_name() {
        let ours = pod(json!({"spec": {"containers": [
            {"name": "chat", "image": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        ]}}));
        let over = parse_template(
            "chat.podTemplate",
            Some(&template(json!({
                "metadata": {"labels": {"team": "x", "app": "stolen"}},
                "spec": {
                    "priorityClassName": "high",
                    "imagePullSecrets": [{"name": "registry"}],
                    "containers": [
                        {"name": "chat", "env": [{"name": "Y", "value": "3"}]},
                        {"name": "sidecar", "image": "b"},
                    ],
                },
            }))),
        )
        .unwrap();
        let labels = BTreeMap::from([("app".to_owned(), "chat".to_owned())]);
        let merged = serde_json::to_value(merged(ours, over, &labels)).unwrap();
        assert_eq!(
            merged,
            json!({
                "metadata": {"labels": {"team": "x", "app": "chat"}},
                "spec": {
                    "priorityClassName": "high",
                    "imagePullSecrets": [{"name": "registry"}],
                    "containers": [
                        {"name": "chat", "image": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "3"}]},
                        {"name": "sidecar", "image": "b"},
                    ],
                },
            })
        );
    }

    #[test]
    fn a_field_that_pods_do_not_have_is_named() {
        let wrong = template(json!({"spec": {"containers": [{"name": "chat", "imagee": "x"}]}}));
        let problem = parse_template("chat.podTemplate", Some(&wrong)).unwrap_err();
        assert_eq!(problem.reason, Reason::InvalidSpec);
        assert!(
            problem
                .message
                .starts_with("chat.podTemplate.spec.containers[0].imagee "),
            "{problem}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_told() {
        let wrong = template(json!({"spec": {"containers": "chat"}}));
        let problem = parse_template("chat.podTemplate", Some(&wrong)).unwrap_err();
        assert!(
            problem.message.starts_with("chat.podTemplate is not"),
            "{problem}"
        );
    }

    #[test]
    fn numbers_may_stand_for_quantities() {
        let given = template(json!({"spec": {"containers": [
            {"name": "chat", "resources": {"limits": {"cpu": 1}}},
        ]}}));
        assert!(
            parse_template("chat.podTemplate", Some(&given))
                .unwrap()
                .is_some()
        );
    }
}
