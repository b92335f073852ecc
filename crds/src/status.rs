//! What the operator tells: conditions, and a part for each component that only its controller writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatbotDeploymentStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, `Reconciling`, `Stalled`, and one for each component (see `conditions`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,

    /// URL for users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// What is still missing, in the order it is needed: a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,

    /// A part for each component.
    #[serde(skip_serializing_if = "ComponentStatuses::is_empty")]
    pub components: ComponentStatuses,
}

/// A part for each component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentStatuses {
    /// The relational store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<EngineStatus>,
    /// Cache, limits and streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<EngineStatus>,
    /// The log of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<EngineStatus>,
    /// The document store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<EngineStatus>,
    /// The gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<WorkloadStatus>,
    /// The chat workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<WorkloadStatus>,
    /// The user workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<WorkloadStatus>,
    /// The storage workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<WorkloadStatus>,
    /// The load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<WorkloadStatus>,
}

impl ComponentStatuses {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A workload as it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that serve.
    pub ready_replicas: i32,
    /// Ready and wanted pods, as `2/2`.
    pub ready: String,
    /// Label selector of the pods, in text form: for the autoscaler.
    pub selector: String,
    /// Image that is rolled out.
    pub image: String,
}

/// An engine that the operator runs, as its members tell it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineStatus {
    /// Version in use: set at creation, changed only by the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Pod that takes writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Members that are online and wanted, as `3/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Each member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberStatus>,
}

/// One member of an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberStatus {
    /// Pod.
    pub name: String,
    /// How it is, in the engine's words (MySQL: `ONLINE`, `RECOVERING`, `OFFLINE`, `ERROR`, `UNREACHABLE`; Redis:
    /// `connected`, `syncing`), or `Unknown` when it cannot be heard.
    pub state: String,
    /// `PRIMARY` or `SECONDARY`, where the members say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}
