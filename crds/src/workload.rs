//! The four workloads: one shape for all, and what two of them add.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What every workload has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// Pods.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: i32,

    /// Requests and limits of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Merged over the pod template last, lists by their keys: any field of a pod can be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

impl Default for WorkloadSpec {
    fn default() -> Self {
        Self {
            replicas: 2,
            resources: None,
            pod_template: None,
        }
    }
}

/// The gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// What every workload has.
    #[serde(flatten)]
    pub workload: WorkloadSpec,

    /// Origins whose pages may call the API, such as `https://app.example.org`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), schema_with = "crate::schema::origins")]
    pub cors_origins: Vec<String>,

    /// What one user may do.
    pub rate_limit: RateLimitSpec,
}

/// What one user may do; all gateways count together while Redis is there, each for itself otherwise.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.burst) || self.burst <= self.requestsPerMinute").message("gateway.rateLimit.burst is larger than gateway.rateLimit.requestsPerMinute: make it at most as large, or leave it out for a quarter of it")
)]
pub struct RateLimitSpec {
    /// Requests in a minute, over time.
    #[serde(default = "default_requests_per_minute")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: i64,

    /// Requests at once; a quarter of a minute's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<i64>,

    /// Tokens in 24 hours, prompts and answers together; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub tokens_per_day: Option<i64>,
}

impl Default for RateLimitSpec {
    fn default() -> Self {
        Self {
            requests_per_minute: default_requests_per_minute(),
            burst: None,
            tokens_per_day: None,
        }
    }
}

fn default_requests_per_minute() -> i64 {
    1200
}

/// The user workload.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("duration(self.refreshTokenTtl) >= duration(self.accessTokenTtl)").message("user.refreshTokenTtl is shorter than user.accessTokenTtl: make it at least as long")
)]
pub struct UserSpec {
    /// What every workload has.
    #[serde(flatten)]
    pub workload: WorkloadSpec,

    /// Who may make an account.
    #[serde(default)]
    pub registration: Registration,

    /// Life of an access token, such as `15m`.
    #[serde(default = "default_access_token_ttl")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub access_token_ttl: String,

    /// Life of a refresh token without use, such as `720h`.
    #[serde(default = "default_refresh_token_ttl")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub refresh_token_ttl: String,
}

impl Default for UserSpec {
    fn default() -> Self {
        Self {
            workload: WorkloadSpec::default(),
            registration: Registration::default(),
            access_token_ttl: default_access_token_ttl(),
            refresh_token_ttl: default_refresh_token_ttl(),
        }
    }
}

fn default_access_token_ttl() -> String {
    "15m".to_owned()
}

fn default_refresh_token_ttl() -> String {
    "720h".to_owned()
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Nobody.
    Closed,
}

/// Requests and limits of a container, as in `core/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What is reserved.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::quantities")]
    pub requests: BTreeMap<String, IntOrString>,

    /// What is never exceeded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::quantities")]
    pub limits: BTreeMap<String, IntOrString>,
}

/// A partial `core/v1` PodTemplateSpec (metadata and spec), without a schema of our own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PodTemplate(pub serde_json::Map<String, serde_json::Value>);
