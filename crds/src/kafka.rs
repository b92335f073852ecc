//! The log of events: managed by the operator, somebody else's, or none.

use std::collections::BTreeMap;

use chatbot_contract::events::TOPIC_PREFIX;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CertificateAuthority, PodTemplate, Resources, StorageSpec, Without};

/// Settings of a Kafka server that the operator owns: `config` must not name them.
///
/// Also written out in the CEL rule of [`ManagedKafka`]; a test holds the two together.
pub const OWNED_KAFKA_SETTINGS: [&str; 14] = [
    "process.roles",
    "node.id",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "controller.listener.names",
    "inter.broker.listener.name",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "authorizer.class.name",
    "super.users",
];

/// The log of events: exactly one of the three. Messages are in MySQL before they are told, so the choice can be
/// changed; what was told and not yet read goes with a managed one.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.managed), has(self.external), has(self.none)].filter(x, x).size() == 1").message("kafka takes exactly one of managed (the operator runs it), external (you run it) and none: keep one")
)]
pub struct KafkaSpec {
    /// Run by the operator: one member, or three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedKafka>,

    /// Run by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalKafka>,

    /// Not there: nobody is told what is new, and everything else works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Without>,
}

impl Default for KafkaSpec {
    fn default() -> Self {
        Self {
            managed: Some(ManagedKafka::default()),
            external: None,
            none: None,
        }
    }
}

/// Kafka run by the operator.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.replicas in [1, 3]").message("kafka.managed.replicas must be 1 or 3: two members cannot agree when one is gone, and more than three hold the same data"),
    validation = Rule::new("self.replicas == oldSelf.replicas").message("kafka.managed.replicas cannot change: topics keep the copies they were made with; set kafka.none first and kafka.managed again afterwards, which empties it"),
    validation = Rule::new("!has(self.config) || self.config.all(k, !(k in ['process.roles', 'node.id', 'log.dir', 'log.dirs', 'metadata.log.dir', 'controller.quorum.bootstrap.servers', 'controller.quorum.voters', 'controller.listener.names', 'inter.broker.listener.name', 'listeners', 'advertised.listeners', 'listener.security.protocol.map', 'authorizer.class.name', 'super.users']) && !k.startsWith('sasl.') && !k.startsWith('listener.name.'))").message("kafka.managed.config names a setting that the operator owns (quorum, addresses, paths, accounts): leave it out").field_path(".config")
)]
pub struct ManagedKafka {
    /// Version, `major.minor.patch`; the operator's default at creation is kept in status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d+\.\d+\.\d+$"), length(max = 20))]
    pub version: Option<String>,

    /// Members: one, or three, of which one may be lost.
    #[serde(default = "default_replicas")]
    pub replicas: i32,

    /// Volume of each member.
    #[serde(default = "default_storage")]
    pub storage: StorageSpec,

    /// Requests and limits of the container; two fifths of the memory limit are for Java's objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Further settings of the server, as they stand in its configuration file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100), schema_with = "crate::schema::short_strings")]
    pub config: BTreeMap<String, String>,

    /// Merged over the pod template last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

impl Default for ManagedKafka {
    fn default() -> Self {
        Self {
            version: None,
            replicas: default_replicas(),
            storage: default_storage(),
            resources: None,
            config: BTreeMap::new(),
            pod_template: None,
        }
    }
}

/// A Kafka cluster run by somebody else.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.bootstrapServers.all(s, s.matches('^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$'))").message("kafka.external.bootstrapServers must be host:port each, such as kafka.example:9093"),
    validation = Rule::new("self.mechanism != 'PLAIN' || self.tls").message("kafka.external.mechanism PLAIN sends the password as it is: set tls to true, or use SCRAM-SHA-512"),
    validation = Rule::new("self.tls || !has(self.ca)").message("kafka.external.ca has no use without TLS: set tls to true, or leave ca out")
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

    /// Whether the connection is encrypted; certificates and names of the servers are checked.
    #[serde(default = "default_tls")]
    pub tls: bool,

    /// Whom the servers' certificates must come from; the system's roots when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,

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

const fn default_replicas() -> i32 {
    3
}

fn default_storage() -> StorageSpec {
    StorageSpec {
        size: "5Gi".to_owned(),
        class_name: None,
    }
}

const fn default_tls() -> bool {
    true
}

fn default_topic_prefix() -> String {
    TOPIC_PREFIX.to_owned()
}
