//! Deployments: pods without state, replaced one at a time and never to fewer than were asked for.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use crate::child::Child;

/// A pod counts as available after this time (seconds): by then every node sends to a pod that became
/// ready, and none sends to the one that goes for it. A system that says it is Ready answers.
const SETTLED_SECONDS: i32 = 2;

/// A Deployment that adds a pod before it takes one away.
#[must_use]
pub fn deployment(
    name: &str,
    selector: BTreeMap<String, String>,
    replicas: i32,
    template: PodTemplateSpec,
) -> Child {
    Child::new(&Deployment {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            min_ready_seconds: Some(SETTLED_SECONDS),
            replicas: Some(replicas),
            revision_history_limit: Some(3),
            selector: LabelSelector {
                match_labels: Some(selector),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    })
}
