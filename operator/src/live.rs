//! The objects of one ChatbotDeployment as the cluster shows them.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::api::DynamicObject;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::labels;

/// The objects of one ChatbotDeployment, of all its components.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Deployments.
    pub deployments: Vec<Arc<Deployment>>,
    /// StatefulSets.
    pub stateful_sets: Vec<Arc<StatefulSet>>,
    /// Jobs.
    pub jobs: Vec<Arc<Job>>,
    /// Pods.
    pub pods: Vec<Arc<Pod>>,
    /// Services.
    pub services: Vec<Arc<Service>>,
    /// PersistentVolumeClaims.
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
}

impl Live {
    /// The same with objects that were changed just now: the caches may not show them yet.
    #[must_use]
    pub fn with(mut self, changed: &[DynamicObject]) -> Self {
        for object in changed {
            let Some(types) = &object.types else {
                continue;
            };
            match types.kind.as_str() {
                "Deployment" => replace(&mut self.deployments, object),
                "StatefulSet" => replace(&mut self.stateful_sets, object),
                "Job" => replace(&mut self.jobs, object),
                "Service" => replace(&mut self.services, object),
                _ => {}
            }
        }
        self
    }

    /// The pods of a component, by name.
    #[must_use]
    pub fn pods<'a>(&'a self, component: &'a str) -> Vec<&'a Pod> {
        let mut pods: Vec<&Pod> = of(&self.pods, component).collect();
        pods.sort_by_key(|pod| pod.name_any());
        pods
    }

    /// The Deployment with this name.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Option<&Deployment> {
        named(&self.deployments, name)
    }

    /// The StatefulSet with this name.
    #[must_use]
    pub fn stateful_set(&self, name: &str) -> Option<&StatefulSet> {
        named(&self.stateful_sets, name)
    }

    /// The Job with this name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Job> {
        named(&self.jobs, name)
    }

    /// The Service with this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        named(&self.services, name)
    }

    /// The volume claims of a component.
    #[must_use]
    pub fn claims<'a>(&'a self, component: &'a str) -> Vec<&'a PersistentVolumeClaim> {
        of(&self.claims, component).collect()
    }
}

fn of<'a, K: ResourceExt>(
    objects: &'a [Arc<K>],
    component: &'a str,
) -> impl Iterator<Item = &'a K> {
    objects.iter().map(AsRef::as_ref).filter(move |object| {
        object
            .labels()
            .get(labels::COMPONENT)
            .is_some_and(|value| value == component)
    })
}

fn named<'a, K: ResourceExt>(objects: &'a [Arc<K>], name: &str) -> Option<&'a K> {
    objects
        .iter()
        .map(AsRef::as_ref)
        .find(|object| object.name_any() == name)
}

fn replace<K>(objects: &mut Vec<Arc<K>>, changed: &DynamicObject)
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let name = changed.name_any();
    objects.retain(|object| object.name_any() != name);
    if let Ok(object) = changed.clone().try_parse::<K>() {
        objects.push(Arc::new(object));
    }
}
