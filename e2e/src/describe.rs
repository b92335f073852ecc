//! What a person needs to know of a namespace in which a test failed.

use std::fmt::Write;

use chatbot_crds::ChatbotDeployment;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use crate::cluster::OPERATOR_NAMESPACE;
use crate::{Cluster, TestNamespace};

/// Lines of a container's log.
const LINES: i64 = 15;
/// Lines of the operator's log that are looked through.
const OPERATOR_LINES: i64 = 3000;
/// Events.
const EVENTS: usize = 30;

/// Conditions, pods, events, and the ends of logs; what cannot be had is left out.
pub async fn describe(namespace: &TestNamespace) -> String {
    let mut text = format!("--- namespace {}\n", namespace.name);
    systems(namespace, &mut text).await;
    let pods = namespace.list::<Pod>("").await.unwrap_or_default();
    for pod in &pods {
        let _ = writeln!(text, "{}", pod_line(pod));
    }
    events(namespace, &mut text).await;
    for pod in &pods {
        logs(namespace, pod, &mut text).await;
    }
    operator(&namespace.cluster, &namespace.name, &mut text).await;
    text.push_str("---");
    text
}

async fn systems(namespace: &TestNamespace, text: &mut String) {
    for system in namespace
        .list::<ChatbotDeployment>("")
        .await
        .unwrap_or_default()
    {
        let generation = system.metadata.generation.unwrap_or_default();
        let _ = writeln!(
            text,
            "ChatbotDeployment {}, generation {generation}:",
            system.name_any()
        );
        text.push_str(&conditions(&system));
        if let Some(status) = &system.status {
            for missing in &status.waiting_for {
                let _ = writeln!(text, "  waits for {missing}");
            }
            if let Some(mysql) = &status.components.mysql {
                let _ = writeln!(text, "  mysql: {mysql:?}");
            }
        }
    }
}

/// A line for each condition.
#[must_use]
pub fn conditions(system: &ChatbotDeployment) -> String {
    let mut text = String::new();
    for condition in system.status.iter().flat_map(|status| &status.conditions) {
        let _ = writeln!(
            text,
            "  {}={} ({}, generation {}) {}",
            condition.type_,
            condition.status,
            condition.reason,
            condition.observed_generation.unwrap_or_default(),
            condition.message
        );
    }
    text
}

/// One line: the pod, its node, and each container's state.
#[must_use]
pub fn pod_line(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let mut line = format!(
        "pod {} on {}: {}",
        pod.name_any(),
        node.unwrap_or("no node"),
        status.phase.unwrap_or_default()
    );
    if pod.metadata.deletion_timestamp.is_some() {
        line.push_str(", being deleted");
    }
    for condition in status.conditions.into_iter().flatten() {
        if condition.type_ == "PodScheduled" && condition.status != "True" {
            let _ = write!(line, ", {}", condition.message.unwrap_or_default());
        }
    }
    let init = status.init_container_statuses.into_iter().flatten();
    for container in init.chain(status.container_statuses.into_iter().flatten()) {
        let _ = write!(line, "; {}", container_state(&container));
    }
    line
}

fn container_state(container: &ContainerStatus) -> String {
    let state = container.state.clone().unwrap_or_default();
    let what = describe_state(&state);
    let last = container
        .last_state
        .as_ref()
        .map(describe_state)
        .unwrap_or_default();
    let mut text = format!(
        "{} {}{what}, {} restarts",
        container.name,
        if container.ready { "ready, " } else { "" },
        container.restart_count
    );
    if !last.is_empty() {
        let _ = write!(text, " (before: {last})");
    }
    text
}

fn describe_state(state: &ContainerState) -> String {
    if state.running.is_some() {
        "running".to_owned()
    } else if let Some(waiting) = &state.waiting {
        format!(
            "waiting: {} {}",
            waiting.reason.as_deref().unwrap_or_default(),
            waiting.message.as_deref().unwrap_or_default()
        )
    } else if let Some(ended) = &state.terminated {
        format!(
            "ended with {} {}",
            ended.exit_code,
            ended.reason.as_deref().unwrap_or_default()
        )
    } else {
        String::new()
    }
}

async fn events(namespace: &TestNamespace, text: &mut String) {
    let mut events = namespace.list::<Event>("").await.unwrap_or_default();
    events.sort_by_key(|event| {
        let micro = event.event_time.as_ref().map(|time| time.0);
        event.last_timestamp.as_ref().map(|time| time.0).or(micro)
    });
    let skipped = events.len().saturating_sub(EVENTS);
    for event in events.iter().skip(skipped) {
        let object = &event.involved_object;
        let _ = writeln!(
            text,
            "event {} {} {}/{}: {}",
            event.type_.as_deref().unwrap_or_default(),
            event.reason.as_deref().unwrap_or_default(),
            object.kind.as_deref().unwrap_or_default(),
            object.name.as_deref().unwrap_or_default(),
            event.message.as_deref().unwrap_or_default()
        );
    }
}

async fn logs(namespace: &TestNamespace, pod: &Pod, text: &mut String) {
    let pods: Api<Pod> = namespace.api();
    let status = pod.status.clone().unwrap_or_default();
    let init = status.init_container_statuses.into_iter().flatten();
    for container in init.chain(status.container_statuses.into_iter().flatten()) {
        for previous in [true, false] {
            if previous && container.restart_count == 0 {
                continue;
            }
            let parameters = LogParams {
                container: Some(container.name.clone()),
                tail_lines: Some(LINES),
                previous,
                ..LogParams::default()
            };
            if let Ok(log) = pods.logs(&pod.name_any(), &parameters).await
                && !log.is_empty()
            {
                let which = if previous { ", before its restart" } else { "" };
                let _ = writeln!(text, "log of {}/{}{which}:", pod.name_any(), container.name);
                text.push_str(&log);
            }
        }
    }
}

/// The operator's lines that speak of the namespace.
async fn operator(cluster: &Cluster, namespace: &str, text: &mut String) {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let Ok(list) = pods.list(&ListParams::default()).await else {
        return;
    };
    for pod in list {
        let _ = writeln!(text, "{}", pod_line(&pod));
        let parameters = LogParams {
            tail_lines: Some(OPERATOR_LINES),
            ..LogParams::default()
        };
        let log = pods
            .logs(&pod.name_any(), &parameters)
            .await
            .unwrap_or_default();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(namespace))
            .collect();
        for line in lines.iter().skip(lines.len().saturating_sub(40)) {
            let _ = writeln!(text, "{line}");
        }
    }
}
