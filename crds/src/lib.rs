//! The Kubernetes API types of the operator, their validation rules, and the generator of their YAML.
//!
//! Types only: nothing here talks to a cluster. What a structural schema and CEL can refuse is
//! refused at apply, in sentences that say what to do; what depends on other objects (a Secret
//! that is not there) is the operator's to tell in `status`.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives public helper types inside functions"
)]

mod authority;
pub mod conditions;
mod deployment;
mod documents;
mod kafka;
mod llm;
mod load_balancer;
mod mail;
mod mysql;
pub mod quantity;
mod redis;
mod schema;
mod status;
mod webhooks;
mod workload;

pub use authority::CertificateAuthority;
pub use deployment::{ChatbotDeployment, ChatbotDeploymentSpec, DeletionPolicy};
pub use documents::{DocumentEngine, DocumentsSpec, ExternalDocuments, ManagedDocuments};
pub use kafka::{ExternalKafka, KafkaSpec, ManagedKafka, OWNED_KAFKA_SETTINGS, SaslMechanism};
pub use llm::{LlmSpec, Provider, SecretKey};
pub use load_balancer::{LoadBalancerSpec, ServiceSpec, ServiceType, TlsSpec};
pub use mail::{MailSpec, MailTls};
pub use mysql::{ExternalMysql, ManagedMysql, MysqlSpec, MysqlTls, OWNED_SETTINGS, StorageSpec};
pub use redis::{ExternalRedis, ManagedRedis, OWNED_REDIS_SETTINGS, RedisSpec, Without};
pub use status::{
    ChatbotDeploymentStatus, ComponentStatuses, EngineStatus, MemberStatus, WorkloadStatus,
};
pub use webhooks::WebhooksSpec;
pub use workload::{
    GatewaySpec, PodTemplate, RateLimitSpec, Registration, Resources, UserSpec, WorkloadSpec,
};

/// API group of every type here.
pub const GROUP: &str = "chatbot.rs";

/// Longest name of a ChatbotDeployment: what the operator appends must still fit in 63 characters.
pub const MAX_NAME_LENGTH: usize = 40;
