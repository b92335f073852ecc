//! Cache, limits and streams: managed by the operator, somebody else's, or none.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CertificateAuthority, PodTemplate, Resources, StorageSpec};

/// Settings of a Redis server that the operator owns: `config` must not name them.
///
/// Also written out in the CEL rule of [`ManagedRedis`]; a test holds the two together.
pub const OWNED_REDIS_SETTINGS: [&str; 18] = [
    "bind",
    "port",
    "tls-port",
    "unixsocket",
    "protected-mode",
    "daemonize",
    "dir",
    "include",
    "loadmodule",
    "aclfile",
    "user",
    "requirepass",
    "masteruser",
    "masterauth",
    "replicaof",
    "replica-priority",
    "replica-announce-ip",
    "replica-announce-port",
];

/// Cache, limits and streams: exactly one of the three. What stands there can be lost without harm, so
/// the choice can be changed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.managed), has(self.external), has(self.none)].filter(x, x).size() == 1").message("redis takes exactly one of managed (the operator runs it), external (you run it) and none: keep one")
)]
pub struct RedisSpec {
    /// Run by the operator: one member, or three with Sentinel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedRedis>,

    /// Run by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalRedis>,

    /// Not there: limits are kept by each gateway for itself, and a stream is resumed only where it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Without>,
}

impl Default for RedisSpec {
    fn default() -> Self {
        Self {
            managed: Some(ManagedRedis::default()),
            external: None,
            none: None,
        }
    }
}

/// Says that an engine shall not be there; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Without {}

/// Redis run by the operator.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.replicas in [1, 3]").message("redis.managed.replicas must be 1 or 3: two Sentinels cannot agree when one is gone, and more than three members hold the same data"),
    validation = Rule::new("self.replicas >= oldSelf.replicas").message("redis.managed.replicas cannot shrink: keep the number, or set redis.none first and redis.managed again afterwards, which empties it"),
    validation = Rule::new("!has(self.config) || self.config.all(k, !(k.lowerAscii() in ['bind', 'port', 'tls-port', 'unixsocket', 'protected-mode', 'daemonize', 'dir', 'include', 'loadmodule', 'aclfile', 'user', 'requirepass', 'masteruser', 'masterauth', 'replicaof', 'replica-priority', 'replica-announce-ip', 'replica-announce-port']))").message("redis.managed.config names a setting that the operator owns (addresses, paths, accounts, replication): leave it out").field_path(".config")
)]
pub struct ManagedRedis {
    /// Version, `major.minor`; the operator's default at creation is kept in status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d+\.\d+(\.\d+)?$"), length(max = 20))]
    pub version: Option<String>,

    /// Members: one, or three for failover.
    #[serde(default = "default_replicas")]
    pub replicas: i32,

    /// Volume of each member; its size should be twice the container's memory limit.
    #[serde(default = "default_storage")]
    pub storage: StorageSpec,

    /// Requests and limits of the container; seven tenths of the memory limit are for data.
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

impl Default for ManagedRedis {
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

/// A Redis server run by somebody else.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.tls || !has(self.ca)").message("redis.external.ca has no use without TLS: set tls to true, or leave ca out")
)]
pub struct ExternalRedis {
    /// Host name or address.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$")
    )]
    pub host: String,

    /// TCP port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// Secret in the same namespace with the keys `username` and `password`.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,

    /// Whether the connection is encrypted; the server's certificate and its name are checked.
    #[serde(default)]
    pub tls: bool,

    /// Whom the server's certificate must come from; the system's roots when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
}

const fn default_replicas() -> i32 {
    3
}

fn default_storage() -> StorageSpec {
    StorageSpec {
        size: "1Gi".to_owned(),
        class_name: None,
    }
}

const fn default_port() -> i32 {
    6379
}
