//! Reads from a Deployment and its pods how far a rollout is, and what holds it up.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt;

use crate::reason::Reason;

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Reason and class.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that serve.
    pub ready: i32,
    /// Pods that are wanted.
    pub wanted: i32,
}

/// Reads how far a Deployment is.
#[must_use]
pub fn rollout(deployment: Option<&Deployment>, pods: &[&Pod]) -> Rollout {
    let spec = deployment.and_then(|deployment| deployment.spec.as_ref());
    let status = deployment
        .and_then(|deployment| deployment.status.clone())
        .unwrap_or_default();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = status.ready_replicas.unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or_default();
    let available = status.available_replicas.unwrap_or_default();
    let replicas = status.replicas.unwrap_or_default();
    let generation = deployment.and_then(|deployment| deployment.metadata.generation);
    let observed = status.observed_generation >= generation;
    // A pod too many is still to be taken away: that is a rollout as well.
    let done = observed && updated == wanted && available >= wanted && replicas == updated;
    let (reason, message) = if done {
        (Reason::Ready, format!("{ready} of {wanted} pods serve"))
    } else if let Some((reason, message)) =
        refused(&status.conditions.unwrap_or_default()).or_else(|| hindrance(pods))
    {
        (reason, message)
    } else if available >= wanted {
        (
            Reason::RollingOut,
            format!("{updated} of {wanted} pods are new, {ready} serve"),
        )
    } else {
        (Reason::Starting, format!("{ready} of {wanted} pods serve"))
    };
    Rollout {
        reason,
        message,
        replicas,
        ready,
        wanted,
    }
}

/// Pods that the API server does not let come into being: a quota, or an admission rule.
fn refused(
    conditions: &[k8s_openapi::api::apps::v1::DeploymentCondition],
) -> Option<(Reason, String)> {
    conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")
        .map(|condition| {
            (
                Reason::QuotaExceeded,
                condition.message.clone().unwrap_or_default(),
            )
        })
}

/// The first thing that keeps one of the pods from serving and that will not pass by itself.
#[must_use]
pub fn hindrance(pods: &[&Pod]) -> Option<(Reason, String)> {
    pods.iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .find_map(|pod| pod_hindrance(pod))
}

fn pod_hindrance(pod: &Pod) -> Option<(Reason, String)> {
    let name = pod.name_any();
    let status = pod.status.as_ref()?;
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let message = condition.message.clone().unwrap_or_default();
        return Some((
            Reason::Unschedulable,
            format!("pod {name} fits no node: {message}"),
        ));
    }
    status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
        .find_map(|container| container_hindrance(&name, container))
}

fn container_hindrance(pod: &str, container: &ContainerStatus) -> Option<(Reason, String)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let detail = waiting.message.clone().unwrap_or_default();
    let image = &container.image;
    let name = &container.name;
    match waiting.reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull"
        | "ImageInspectError" => {
            // While it waits for the next attempt, kubelet puts the same cause into other words.
            let cause = detail.rsplit("ErrImagePull: ").next().unwrap_or_default();
            Some((
                Reason::ImagePullFailed,
                format!("pod {pod} cannot pull image {image}: {cause}"),
            ))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some((
            Reason::InvalidSpec,
            format!("container {name} of pod {pod} cannot be started: {detail}"),
        )),
        "CrashLoopBackOff" => {
            let restarts = container.restart_count;
            let cause = ended(container.last_state.as_ref());
            Some((
                Reason::CrashLooping,
                format!("container {name} of pod {pod} has ended {restarts} times: {cause}"),
            ))
        }
        _ => None,
    }
}

/// How a container last ended, in words.
#[must_use]
pub fn ended(state: Option<&ContainerState>) -> String {
    let Some(terminated) = state.and_then(|state| state.terminated.as_ref()) else {
        return "no cause is known".to_owned();
    };
    let reason = terminated.reason.as_deref().unwrap_or("Error");
    let code = terminated.exit_code;
    // The end of the log, by `terminationMessagePolicy: FallbackToLogsOnError`: its last line says most.
    let message = terminated.message.as_deref().unwrap_or_default();
    let last = message.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(
        || format!("{reason}, exit code {code}"),
        |line| {
            let line: String = line.trim().chars().take(500).collect();
            format!("{reason}, exit code {code}: {line}")
        },
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::*;

    fn deployment(status: &Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "shop-chat", "generation": 2},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap()
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "shop-chat-x"}, "status": status}))
            .unwrap()
    }

    fn waiting(reason: &str, message: &str) -> Pod {
        pod(&json!({"containerStatuses": [{
            "name": "chat", "image": "registry/chatbot:9", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": reason, "message": message}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "one\ncannot read the key\n"}},
        }]}))
    }

    fn seen(status: &Value, pods: &[&Pod]) -> (Reason, String) {
        let Rollout {
            reason, message, ..
        } = rollout(Some(&deployment(status)), pods);
        (reason, message)
    }

    #[test]
    fn it_is_ready_when_all_pods_are_new_and_available() {
        let status = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        assert_eq!(
            seen(&status, &[]),
            (Reason::Ready, "2 of 2 pods serve".to_owned())
        );
    }

    #[test]
    fn a_status_of_an_older_generation_counts_for_nothing() {
        let status = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        assert_eq!(seen(&status, &[]).0, Reason::RollingOut);
        assert_eq!(rollout(None, &[]).reason, Reason::Starting);
    }

    #[test]
    fn old_pods_that_still_serve_make_it_a_rollout() {
        let status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2});
        assert_eq!(
            seen(&status, &[]),
            (
                Reason::RollingOut,
                "1 of 2 pods are new, 2 serve".to_owned()
            )
        );
    }

    #[test]
    fn pods_that_are_too_many_make_it_a_rollout() {
        let status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3});
        assert_eq!(seen(&status, &[]).0, Reason::RollingOut);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let pod = waiting(
            "ImagePullBackOff",
            "Back-off pulling image: ErrImagePull: not found",
        );
        let (reason, message) = seen(&json!({"observedGeneration": 2}), &[&pod]);
        assert_eq!(reason, Reason::ImagePullFailed);
        assert_eq!(
            message,
            "pod shop-chat-x cannot pull image registry/chatbot:9: not found"
        );
    }

    #[test]
    fn a_crash_loop_is_told_with_its_last_words() {
        let pod = waiting("CrashLoopBackOff", "back-off");
        let (reason, message) = seen(&json!({"observedGeneration": 2}), &[&pod]);
        assert_eq!(reason, Reason::CrashLooping);
        assert_eq!(
            message,
            "container chat of pod shop-chat-x has ended 4 times: Error, exit code 1: cannot read the key"
        );
    }

    #[test]
    fn a_quota_that_is_too_small_is_told_with_its_name() {
        let status = json!({"observedGeneration": 2, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"},
        ]});
        assert_eq!(
            seen(&status, &[]),
            (Reason::QuotaExceeded, "exceeded quota: small".to_owned())
        );
    }

    #[test]
    fn a_pod_that_fits_no_node_is_told() {
        let pod = pod(&json!({"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"},
        ]}));
        let (reason, message) = seen(&json!({"observedGeneration": 2}), &[&pod]);
        assert_eq!(reason, Reason::Unschedulable);
        assert!(message.contains("0/3 nodes"));
    }
}
