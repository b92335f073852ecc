//! A chat system under test: one ChatbotDeployment.

use std::time::Duration;

use chatbot_crds::{ChatbotDeployment, conditions};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::{Error, Result, TestNamespace, command, describe, wait};

/// Component label of the MySQL members.
pub const MYSQL: &str = "mysql";
/// Component label of the Redis members.
pub const REDIS: &str = "redis";
/// Component label of the document store.
pub const DOCUMENTS: &str = "documents";
/// Component label of the Kafka members.
pub const KAFKA: &str = "kafka";
/// Component label of the load balancer.
pub const LOAD_BALANCER: &str = "load-balancer";

/// A chat system under test.
#[derive(Clone)]
pub struct System {
    /// Where it is.
    pub namespace: TestNamespace,
    /// Name of the ChatbotDeployment.
    pub name: String,
}

/// The smallest system: one pod of each, one MySQL member, no other engine, reachable from here; it repeats what it is told.
#[must_use]
pub fn small() -> Value {
    json!({
        "llm": {"provider": "Echo"},
        "loadBalancer": {"replicas": 1, "service": {"type": "NodePort"}},
        "gateway": {"replicas": 1},
        "chat": {"replicas": 1},
        "user": {"replicas": 1},
        "storage": {"replicas": 1},
        "mysql": {"managed": {"replicas": 1, "storage": {"size": "1Gi"}}},
        "redis": {"none": {}},
        "kafka": {"none": {}},
        "documents": {"none": {}},
    })
}

/// A system without a single point of failure for its users: two pods of each, three members of MySQL and Redis.
#[must_use]
pub fn highly_available() -> Value {
    merged(
        small(),
        json!({
            "loadBalancer": {"replicas": 2},
            "gateway": {"replicas": 2},
            "chat": {"replicas": 2},
            "user": {"replicas": 2},
            "storage": {"replicas": 2},
            "mysql": {"managed": {"replicas": 3}},
            "redis": {"none": null, "managed": {"replicas": 3}},
        }),
    )
}

/// A whole system: three members of each engine that the operator runs.
#[must_use]
pub fn whole() -> Value {
    merged(
        highly_available(),
        json!({
            "kafka": {"none": null, "managed": {"replicas": 3}},
            "documents": {"none": null, "managed": {}},
        }),
    )
}

/// Merges a change into a document (RFC 7386): `null` removes.
#[must_use]
pub fn merged(mut document: Value, change: Value) -> Value {
    let Value::Object(change) = change else {
        return change;
    };
    if !document.is_object() {
        document = json!({});
    }
    if let Value::Object(fields) = &mut document {
        for (key, value) in change {
            if value.is_null() {
                fields.remove(&key);
            } else {
                let old = fields.remove(&key).unwrap_or_default();
                fields.insert(key, merged(old, value));
            }
        }
    }
    document
}

impl System {
    /// Applies a ChatbotDeployment with this spec.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn apply(namespace: &TestNamespace, name: &str, spec: Value) -> Result<Self> {
        namespace
            .apply::<ChatbotDeployment>(name, json!({"spec": spec}))
            .await?;
        Ok(Self {
            namespace: namespace.clone(),
            name: name.to_owned(),
        })
    }

    /// Changes the spec (RFC 7386).
    ///
    /// # Errors
    /// The API server refuses the change.
    pub async fn change(&self, spec: Value) -> Result<()> {
        let change = json!({"spec": spec});
        self.api()
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .map(|_| ())
            .map_err(Error::kubernetes(format!("change {}", self.name)))
    }

    /// The ChatbotDeployments of the namespace.
    #[must_use]
    pub fn api(&self) -> Api<ChatbotDeployment> {
        self.namespace.api()
    }

    /// The ChatbotDeployment as it is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn get(&self) -> Result<ChatbotDeployment> {
        self.api()
            .get(&self.name)
            .await
            .map_err(Error::kubernetes(format!("read {}", self.name)))
    }

    /// Waits until the ChatbotDeployment is as wanted.
    ///
    /// # Errors
    /// The limit is over.
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        check: impl Fn(&ChatbotDeployment) -> Option<T>,
    ) -> Result<T> {
        let what = format!("{what} of {}", self.name);
        wait::until(
            self.api(),
            &self.name,
            &what,
            limit,
            |system| match system {
                Some(system) => check(system).ok_or_else(|| describe::conditions(system)),
                None => Err("it does not exist".to_owned()),
            },
        )
        .await
    }

    /// Waits until it is Ready and its newest spec is rolled out.
    ///
    /// # Errors
    /// The limit is over.
    pub async fn ready(&self, limit: Duration) -> Result<ChatbotDeployment> {
        self.until("Ready", limit, |system| {
            is_ready(system).then(|| system.clone())
        })
        .await
    }

    /// Waits until a condition has this reason for the newest spec, and a message that names these
    /// things; returns the message.
    ///
    /// # Errors
    /// The limit is over.
    pub async fn reason(&self, type_: &str, reason: &str, names: &[&str]) -> Result<String> {
        let what = format!("{type_} with reason {reason} that names {names:?}");
        self.until(&what, wait::SHORT, |system| {
            condition(system, type_)
                .filter(|condition| {
                    condition.reason == reason
                        && condition.observed_generation == system.meta().generation
                        && names.iter().all(|name| condition.message.contains(name))
                })
                .map(|condition| condition.message.clone())
        })
        .await
    }

    /// Selector of a component's objects.
    #[must_use]
    pub fn selector(&self, component: &str) -> String {
        format!(
            "app.kubernetes.io/instance={},app.kubernetes.io/component={component}",
            self.name
        )
    }

    /// The pods of a component, by name.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn pods(&self, component: &str) -> Result<Vec<Pod>> {
        self.namespace.list(&self.selector(component)).await
    }

    /// Where people find it, from here: a port of a node, once the page answers there. kube-proxy sends requests to a
    /// pod a moment after the pod is ready, and later on a machine that is busy.
    ///
    /// # Errors
    /// There is no Service with such a port, or the page does not answer in time.
    pub async fn url(&self) -> Result<String> {
        let services: Vec<Service> = self.namespace.list(&self.selector(LOAD_BALANCER)).await?;
        let port = services
            .iter()
            .filter_map(|service| service.spec.as_ref()?.ports.as_ref())
            .flatten()
            .find_map(|port| port.node_port)
            .ok_or_else(|| {
                Error::Wrong("no Service of the load balancer has a node port".to_owned())
            })?;
        let node = self.namespace.cluster.node_address().await?;
        let url = format!("http://{node}:{port}");
        wait::answers(&url).await?;
        Ok(url)
    }

    /// The member that takes writes.
    ///
    /// # Errors
    /// The status names none.
    pub async fn primary(&self) -> Result<String> {
        self.get()
            .await?
            .status
            .and_then(|status| status.components.mysql?.primary)
            .ok_or_else(|| Error::Wrong("the status names no MySQL primary".to_owned()))
    }

    /// A value of the identity Secret.
    ///
    /// # Errors
    /// The Secret or its key is not there.
    pub async fn identity(&self, key: &str) -> Result<String> {
        let secrets: Api<Secret> = self.namespace.api();
        let name = format!("{}-identity", self.name);
        let secret = secrets
            .get(&name)
            .await
            .map_err(Error::kubernetes(format!("read Secret {name}")))?;
        secret
            .data
            .and_then(|mut data| data.remove(key))
            .and_then(|value| String::from_utf8(value.0).ok())
            .ok_or_else(|| Error::Wrong(format!("Secret {name} has no {key}")))
    }

    /// Runs a shell script (with arguments, the first of which is its `$0`) in a container and returns what it printed.
    ///
    /// # Errors
    /// It cannot be started, or ends with an error.
    pub async fn exec(
        &self,
        pod: &str,
        container: &str,
        script: &[&str],
        input: &str,
    ) -> Result<String> {
        let program = [&["sh", "-c"], script].concat();
        self.run(pod, container, &program, input).await
    }

    /// Runs a program with its arguments in a container and returns what it printed.
    ///
    /// # Errors
    /// It cannot be started, or ends with an error.
    pub async fn run(
        &self,
        pod: &str,
        container: &str,
        program: &[&str],
        input: &str,
    ) -> Result<String> {
        let kubeconfig = std::env::var("KUBECONFIG").unwrap_or_else(|_| {
            let state = &self.namespace.cluster.settings.state;
            state.join("kubeconfig").display().to_string()
        });
        let mut arguments = vec![
            "exec",
            "--stdin",
            "--kubeconfig",
            &kubeconfig,
            "--namespace",
            &self.namespace.name,
            pod,
            "--container",
            container,
            "--",
        ];
        arguments.extend(program);
        command::run_with_input("kubectl", &arguments, input).await
    }

    /// Waits until an engine is whole, by its condition, and nothing is lost.
    ///
    /// # Errors
    /// The limit is over.
    pub async fn whole(&self, condition: &str) -> Result<()> {
        self.until(condition, wait::LONG, |system| {
            (is(system, condition, "True") && is(system, conditions::DEGRADED, "False"))
                .then_some(())
        })
        .await
    }

    /// Deletes the ChatbotDeployment and waits until it is gone.
    ///
    /// # Errors
    /// The limit is over.
    pub async fn delete(&self) -> Result<()> {
        self.api()
            .delete(&self.name, &DeleteParams::default())
            .await
            .map_err(Error::kubernetes(format!("delete {}", self.name)))?;
        wait::gone(self.api(), &self.name, wait::SHORT).await
    }
}

/// The condition of a type.
#[must_use]
pub fn condition<'a>(system: &'a ChatbotDeployment, type_: &str) -> Option<&'a Condition> {
    system
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

/// Whether a condition has this status.
#[must_use]
pub fn is(system: &ChatbotDeployment, type_: &str, status: &str) -> bool {
    condition(system, type_).is_some_and(|condition| condition.status == status)
}

/// Whether it is Ready for its newest spec, as kstatus computes it.
#[must_use]
pub fn is_ready(system: &ChatbotDeployment) -> bool {
    let generation = system.meta().generation;
    let observed = system
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed == generation
        && condition(system, conditions::READY).is_some_and(|condition| {
            condition.status == "True" && condition.observed_generation == generation
        })
        && !is(system, conditions::RECONCILING, "True")
        && !is(system, conditions::STALLED, "True")
        && system.meta().deletion_timestamp.is_none()
}

/// Names of objects, for messages.
#[must_use]
pub fn names<K: ResourceExt>(objects: &[K]) -> Vec<String> {
    objects.iter().map(ResourceExt::name_any).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_merged_and_null_removes() {
        let document = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        let change = json!({"a": {"b": null, "e": 3}, "d": [2]});
        assert_eq!(
            merged(document, change),
            json!({"a": {"c": 2, "e": 3}, "d": [2]})
        );
    }
}
