//! StatefulSets: an engine's members, each with a name and a volume of its own.

use std::collections::BTreeMap;

use chatbot_crds::StorageSpec;
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PodTemplateSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use crate::child::Child;
use crate::labels;

/// What a StatefulSet is made of.
pub struct Parts {
    /// Its name, and the first part of the pods' names.
    pub name: String,
    /// The headless Service that gives the pods names, where they need some.
    pub service: Option<String>,
    /// Members.
    pub replicas: i32,
    /// Whether the operator orders each restart; otherwise one follows the other when that is ready.
    pub by_hand: bool,
    /// Whether volumes go with the set.
    pub delete_volumes: bool,
    /// Selects the pods.
    pub selector: BTreeMap<String, String>,
    /// The pods.
    pub template: PodTemplateSpec,
    /// The volume of each.
    pub claim: PersistentVolumeClaim,
}

/// A set whose pods come up in parallel: after an outage each may need all the others.
#[must_use]
pub fn stateful_set(parts: Parts) -> Child {
    let Parts {
        name,
        service,
        replicas,
        by_hand,
        delete_volumes,
        selector,
        template,
        claim,
    } = parts;
    let when_deleted = if delete_volumes { "Delete" } else { "Retain" };
    let strategy = if by_hand { "OnDelete" } else { "RollingUpdate" };
    Child::new(&StatefulSet {
        metadata: ObjectMeta {
            name: Some(name),
            ..ObjectMeta::default()
        },
        spec: Some(StatefulSetSpec {
            service_name: service,
            replicas: Some(replicas),
            revision_history_limit: Some(3),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some(strategy.to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(when_deleted.to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            selector: LabelSelector {
                match_labels: Some(selector),
                ..LabelSelector::default()
            },
            template,
            volume_claim_templates: Some(vec![claim]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}

/// The claim of a volume called `data`.
#[must_use]
pub fn claim(deployment: &str, component: &str, storage: &StorageSpec) -> PersistentVolumeClaim {
    let StorageSpec { size, class_name } = storage;
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some("data".to_owned()),
            labels: Some(labels::common(deployment, component)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(size.clone()))].into()),
                ..VolumeResourceRequirements::default()
            }),
            volume_mode: Some("Filesystem".to_owned()),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
