//! Kafka, the log of events: somebody else's.

use chatbot_contract::events::TOPIC_PREFIX;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The log of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSpec {
    /// Run by somebody else.
    pub external: ExternalKafka,
}

/// A Kafka cluster run by somebody else.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.bootstrapServers.all(s, s.matches('^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$'))").message("kafka.external.bootstrapServers must be host:port each, such as kafka.example:9093"),
    validation = Rule::new("self.mechanism != 'PLAIN' || self.tls").message("kafka.external.mechanism PLAIN sends the password as it is: set tls to true, or use SCRAM-SHA-512")
)]
pub struct ExternalKafka {
    /// Servers to begin with, `host:port` each; they tell the others.
    #[schemars(schema_with = "crate::schema::servers")]
    pub bootstrap_servers: Vec<String>,

    /// Secret in the same namespace with the keys `username` and `password`.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,

    /// How the user proves who it is (SASL).
    #[serde(default)]
    pub mechanism: SaslMechanism,

    /// TLS, checked against the public certificate authorities.
    #[serde(default = "default_tls")]
    pub tls: bool,

    /// What the names of the topics begin with; another one for each ChatbotDeployment on one cluster.
    #[serde(default = "default_topic_prefix")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 200))]
    pub topic_prefix: String,
}

/// How a user proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// RFC 5802 with SHA-512.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// RFC 4616.
    #[serde(rename = "PLAIN")]
    Plain,
}

impl SaslMechanism {
    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

const fn default_tls() -> bool {
    true
}

fn default_topic_prefix() -> String {
    TOPIC_PREFIX.to_owned()
}
