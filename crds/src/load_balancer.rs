//! The nginx load balancer: the door for users.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PodTemplate, Resources};

/// The nginx load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerSpec {
    /// Pods.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: i32,

    /// The Service in front of the pods.
    pub service: ServiceSpec,

    /// Host name under which users come; part of the URL and of tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        length(max = 253)
    )]
    pub host: Option<String>,

    /// TLS at the door; plain HTTP is then redirected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,

    /// Requests and limits of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Merged over the pod template last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

impl Default for LoadBalancerSpec {
    fn default() -> Self {
        Self {
            replicas: 2,
            service: ServiceSpec::default(),
            host: None,
            tls: None,
            resources: None,
            pod_template: None,
        }
    }
}

/// The Service in front of the load balancer.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.nodePort) || self.type != 'ClusterIP'").message("loadBalancer.service.nodePort needs type NodePort or LoadBalancer: set the type, or leave nodePort out")
)]
pub struct ServiceSpec {
    /// How the Service is reached.
    #[serde(rename = "type", default)]
    pub type_: ServiceType,

    /// Annotations, for the cloud's load balancer controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// The node's port for HTTP (HTTPS with `tls`); one is chosen when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
}

/// How a Service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster, for an Ingress or Gateway of one's own.
    #[default]
    ClusterIP,
    /// By a port of every node.
    NodePort,
    /// By the cloud's load balancer.
    LoadBalancer,
}

/// TLS at the door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// Secret of type kubernetes.io/tls in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}
