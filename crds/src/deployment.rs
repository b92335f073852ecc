//! The root type: one object, one whole chat system.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{
    ChatbotDeploymentStatus, DocumentsSpec, GatewaySpec, KafkaSpec, LlmSpec, LoadBalancerSpec,
    MailSpec, MysqlSpec, RedisSpec, UserSpec, WebhooksSpec, WorkloadSpec,
};

/// A whole chat system: load balancer, gateway, chat, user and storage workloads, and the engines
/// they need.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "chatbot.rs",
    version = "v1alpha1",
    kind = "ChatbotDeployment",
    shortname = "cbd",
    category = "chatbot",
    namespaced,
    status = "ChatbotDeploymentStatus",
    derive = "PartialEq",
    doc = "A whole chat system: load balancer, gateway, chat, user and storage workloads, and the engines they need.",
    cel,
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name is longer than 40 characters: choose a shorter one, since the names of Services and pods are made of it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must begin with a letter and hold only lowercase letters, digits and dashes, since Services are named after it"),
    scale(
        spec_replicas_path = ".spec.chat.replicas",
        status_replicas_path = ".status.components.chat.replicas",
        label_selector_path = ".status.components.chat.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Chat", type_ = "string", json_path = ".status.components.chat.ready", description = "Ready and wanted pods of the chat workload"),
    printcolumn(name = "MySQL", type_ = "string", json_path = ".status.components.mysql.primary", description = "The MySQL member that takes writes"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.endpoint"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ChatbotDeploymentSpec {
    /// Image of the gateway, chat, user and storage workloads; the operator's own release when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.size() > 0").message("image is empty: name an image, or leave the field out for the operator's own release"))]
    pub image: Option<String>,

    /// The language model.
    pub llm: LlmSpec,

    /// The nginx load balancer: the door for users.
    #[serde(default)]
    pub load_balancer: LoadBalancerSpec,

    /// Authentication, REST, WebSocket and the web page.
    #[serde(default)]
    pub gateway: GatewaySpec,

    /// Calls the language model; `kubectl scale` sets its replicas.
    #[serde(default)]
    pub chat: WorkloadSpec,

    /// Accounts and tokens.
    #[serde(default)]
    pub user: UserSpec,

    /// Conversations and messages.
    #[serde(default)]
    pub storage: WorkloadSpec,

    /// The relational store, the only source of truth.
    #[serde(default)]
    pub mysql: MysqlSpec,

    /// Cache, limits and streams: what can be lost without harm.
    #[serde(default)]
    pub redis: RedisSpec,

    /// The log of events: what tells others what is new.
    #[serde(default)]
    pub kafka: KafkaSpec,

    /// The document store: archives for analysis, and what was used; made of MySQL's content.
    #[serde(default)]
    pub documents: DocumentsSpec,

    /// The SMTP server for mails to users; without it no address is verified, and nobody can reset a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSpec>,

    /// Where webhooks of users may be; on the public internet alone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<WebhooksSpec>,

    /// What happens to volumes and the identity Secret when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Leaves everything as it is: the operator changes nothing while this is true.
    #[serde(default)]
    pub paused: bool,
}

/// What a delete leaves behind.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum DeletionPolicy {
    /// Volumes and the identity Secret stay: the same object applied again finds its data.
    #[default]
    Retain,
    /// Everything goes, data included.
    Delete,
}
