//! Caches of what the operator made, filled by one watch per kind and read by every controller.

use std::sync::Arc;

use chatbot_crds::ChatbotDeployment;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::ApiResource;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::labels;
use crate::live::Live;

/// One cache per kind.
#[derive(Clone)]
pub struct Stores {
    /// The resources that are served.
    pub objects: Store<ChatbotDeployment>,
    /// Deployments of ours.
    pub deployments: Store<Deployment>,
    /// StatefulSets of ours.
    pub stateful_sets: Store<StatefulSet>,
    /// Jobs of ours.
    pub jobs: Store<Job>,
    /// Pods of ours.
    pub pods: Store<Pod>,
    /// Services of ours.
    pub services: Store<Service>,
    /// Volume claims of ours.
    pub claims: Store<PersistentVolumeClaim>,
    /// ConfigMaps of ours.
    pub config_maps: Store<ConfigMap>,
    /// ServiceAccounts of ours.
    pub accounts: Store<ServiceAccount>,
    /// PodDisruptionBudgets of ours.
    pub budgets: Store<PodDisruptionBudget>,
    /// NetworkPolicies of ours.
    pub policies: Store<NetworkPolicy>,
}

/// An object that a ChatbotDeployment owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// Its kind.
    pub resource: ApiResource,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
}

impl Stores {
    /// Waits until every cache holds what the cluster has; `false` when one never will.
    pub async fn filled(&self) -> bool {
        let Self {
            objects,
            deployments,
            stateful_sets,
            jobs,
            pods,
            services,
            claims,
            config_maps,
            accounts,
            budgets,
            policies,
        } = self;
        futures::try_join!(
            objects.wait_until_ready(),
            deployments.wait_until_ready(),
            stateful_sets.wait_until_ready(),
            jobs.wait_until_ready(),
            pods.wait_until_ready(),
            services.wait_until_ready(),
            claims.wait_until_ready(),
            config_maps.wait_until_ready(),
            accounts.wait_until_ready(),
            budgets.wait_until_ready(),
            policies.wait_until_ready(),
        )
        .is_ok()
    }

    /// What the cluster shows of one ChatbotDeployment.
    #[must_use]
    pub fn live(&self, namespace: &str, instance: &str) -> Live {
        Live {
            deployments: of(&self.deployments, namespace, instance),
            stateful_sets: of(&self.stateful_sets, namespace, instance),
            jobs: of(&self.jobs, namespace, instance),
            pods: of(&self.pods, namespace, instance),
            services: of(&self.services, namespace, instance),
            claims: of(&self.claims, namespace, instance),
        }
    }

    /// An object as JSON; `None` when the cache does not have it, or does not hold its kind.
    #[must_use]
    pub fn body(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        match kind {
            "Deployment" => json(&self.deployments, namespace, name),
            "StatefulSet" => json(&self.stateful_sets, namespace, name),
            "Job" => json(&self.jobs, namespace, name),
            "Service" => json(&self.services, namespace, name),
            "ConfigMap" => json(&self.config_maps, namespace, name),
            "ServiceAccount" => json(&self.accounts, namespace, name),
            "PodDisruptionBudget" => json(&self.budgets, namespace, name),
            "NetworkPolicy" => json(&self.policies, namespace, name),
            _ => None,
        }
    }

    /// What is labelled as a component's and controlled by the ChatbotDeployment with this uid.
    ///
    /// Pods and volume claims are not among it: their controllers own them.
    #[must_use]
    pub fn owned(&self, namespace: &str, instance: &str, component: &str, uid: &str) -> Vec<Owned> {
        let scope = (namespace, instance, component, uid);
        let mut all = owned(&self.deployments, scope);
        all.extend(owned(&self.stateful_sets, scope));
        all.extend(owned(&self.jobs, scope));
        all.extend(owned(&self.services, scope));
        all.extend(owned(&self.config_maps, scope));
        all.extend(owned(&self.accounts, scope));
        all.extend(owned(&self.budgets, scope));
        all.extend(owned(&self.policies, scope));
        all
    }
}

fn of<K>(store: &Store<K>, namespace: &str, instance: &str) -> Vec<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.state_filter(|object| {
        object.meta().namespace.as_deref() == Some(namespace)
            && object.labels().get(labels::INSTANCE).map(String::as_str) == Some(instance)
    })
}

fn json<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Value>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + 'static,
{
    let object = store.get(&ObjectRef::new(name).within(namespace))?;
    serde_json::to_value(object.as_ref()).ok()
}

fn owned<K>(
    store: &Store<K>,
    (namespace, instance, component, uid): (&str, &str, &str, &str),
) -> Vec<Owned>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + 'static,
{
    of(store, namespace, instance)
        .iter()
        .filter(|object| {
            object.meta().deletion_timestamp.is_none()
                && object.labels().get(labels::COMPONENT).map(String::as_str) == Some(component)
                && object
                    .owner_references()
                    .iter()
                    .any(|owner| owner.uid == uid && owner.controller == Some(true))
        })
        .map(|object| Owned {
            resource: ApiResource::erase::<K>(&()),
            name: object.name_any(),
            uid: object.uid(),
        })
        .collect()
}
