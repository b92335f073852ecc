//! The nginx load balancer: the only door for users.

use chatbot_contract::{Workload, ports};
use chatbot_crds::{
    ChatbotDeploymentSpec, ComponentStatuses, LoadBalancerSpec, SecretKey, ServiceSpec,
    WorkloadStatus, conditions,
};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};

use crate::build::{account, budget, deployment, pod};
use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::reason::{Class, Problem, Reason};
use crate::rollout::{Rollout, rollout};
use crate::{labels, names};

mod configuration;
mod endpoint;
mod service;
mod template;

/// The component.
pub struct LoadBalancer;

/// What the load balancer shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    deployment: String,
    namespace: String,
    image: String,
    replicas: i32,
    resources: ResourceRequirements,
    template: Option<PodTemplateSpec>,
    service: ServiceSpec,
    host: Option<String>,
    tls: Option<Tls>,
}

/// TLS at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tls {
    secret: String,
    /// Certificate and key: a change rolls the pods.
    content: Vec<u8>,
}

impl Component for LoadBalancer {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::LOAD_BALANCER
    }

    fn condition(&self) -> &'static str {
        conditions::LOAD_BALANCER_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        Some("loadBalancer")
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        let tls = spec.load_balancer.tls.as_ref();
        References {
            secrets: tls.map(|tls| tls.secret_name.clone()).into_iter().collect(),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        let LoadBalancerSpec {
            replicas,
            service,
            host,
            tls,
            resources,
            pod_template,
        } = &facts.spec.load_balancer;
        let tls = match tls {
            None => None,
            Some(tls) => {
                let mut content = Vec::new();
                for key in ["tls.crt", "tls.key"] {
                    let reference = SecretKey {
                        name: tls.secret_name.clone(),
                        key: key.to_owned(),
                    };
                    content.extend(facts.secret_value(&reference, "loadBalancer.tls.secretName")?);
                }
                Some(Tls {
                    secret: tls.secret_name.clone(),
                    content,
                })
            }
        };
        Ok(Plan {
            deployment: facts.name.clone(),
            namespace: facts.namespace.clone(),
            image: facts.settings.nginx_image.clone(),
            replicas: *replicas,
            resources: pod::resources(resources.as_ref(), ["10m", "24Mi"], ["1", "128Mi"]),
            template: pod::parse_template("loadBalancer.podTemplate", pod_template.as_ref())?,
            service: service.clone(),
            host: host.clone(),
            tls,
        })
    }

    /// nginx looks up the gateway's name once, at its start, and ends when it does not exist.
    fn needs(&self, plan: &Plan, _: &Facts, live: &Live) -> Vec<String> {
        let gateway = names::of(&plan.deployment, Workload::Gateway.name());
        if live.service(&gateway).is_some() {
            Vec::new()
        } else {
            vec![format!("the gateway: Service {gateway} is not there yet")]
        }
    }

    fn build(&self, plan: &Plan) -> Vec<Child> {
        let name = names::of(&plan.deployment, names::LOAD_BALANCER);
        let selector = labels::selector(&plan.deployment, names::LOAD_BALANCER);
        let mut children = vec![
            account::account(&name),
            service::service(plan),
            configuration::config_map(plan),
        ];
        children.extend(budget::budget(&name, selector.clone(), plan.replicas));
        children.push(deployment::deployment(
            &name,
            selector,
            plan.replicas,
            template::template(plan),
        ));
        children
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let name = names::of(&plan.deployment, names::LOAD_BALANCER);
        let pods = scene.live.pods(names::LOAD_BALANCER);
        let Rollout {
            reason,
            message,
            replicas,
            ready,
            wanted,
        } = rollout(scene.live.deployment(&name), &pods);
        let mut observation = Observation::new(reason, message);
        observation.part = ComponentStatuses {
            load_balancer: Some(WorkloadStatus {
                replicas,
                ready_replicas: ready,
                ready: format!("{ready}/{wanted}"),
                selector: labels::selector_text(&plan.deployment, names::LOAD_BALANCER),
                image: plan.image.clone(),
            }),
            ..ComponentStatuses::default()
        };
        observation.endpoint = endpoint::endpoint(
            plan,
            scene.live.service(&name),
            &pods,
            scene.facts.status.endpoint.as_deref(),
        );
        if reason.class() == Class::Ready && observation.endpoint.is_none() {
            observation.reason = Reason::WaitingForDependency;
            observation.message = format!(
                "{}, and Service {name} has no address yet: the cloud has yet to give one",
                observation.message
            );
        }
        Ok(observation)
    }
}

/// The port of the Service and its name: HTTPS where there is TLS.
const fn main_port(plan: &Plan) -> (&'static str, u16) {
    if plan.tls.is_some() {
        ("https", 443)
    } else {
        ("http", 80)
    }
}

/// The container's ports.
const fn container_ports() -> [(&'static str, u16); 3] {
    [
        ("http", ports::EDGE_HTTP),
        ("https", ports::EDGE_HTTPS),
        ("admin", ports::EDGE_ADMIN),
    ]
}

#[cfg(test)]
mod tests;
