//! The relational store: managed by the operator, or somebody else's.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CertificateAuthority, PodTemplate, Resources};

/// Settings of a MySQL server that the operator owns: `config` must not name them.
///
/// Also written out in the CEL rule of [`ManagedMysql`]; a test holds the two together.
pub const OWNED_SETTINGS: [&str; 26] = [
    "datadir",
    "socket",
    "pid_file",
    "init_file",
    "secure_file_priv",
    "server_id",
    "port",
    "bind_address",
    "mysqlx",
    "report_host",
    "report_port",
    "skip_name_resolve",
    "gtid_mode",
    "enforce_gtid_consistency",
    "log_bin",
    "skip_log_bin",
    "disable_log_bin",
    "log_replica_updates",
    "relay_log",
    "skip_replica_start",
    "read_only",
    "super_read_only",
    "performance_schema",
    "log_error_verbosity",
    "plugin_load",
    "plugin_load_add",
];

/// The relational store: exactly one of the two.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.managed) != has(self.external)").message("mysql takes exactly one of managed (the operator runs it) and external (you run it): keep one"),
    validation = Rule::new("has(self.managed) == has(oldSelf.managed)").message("mysql cannot change between managed and external, since the data would stay behind: make a new ChatbotDeployment and move the data")
)]
pub struct MysqlSpec {
    /// Run by the operator as a replication group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedMysql>,

    /// Run by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalMysql>,
}

impl Default for MysqlSpec {
    fn default() -> Self {
        Self {
            managed: Some(ManagedMysql::default()),
            external: None,
        }
    }
}

/// A MySQL replication group run by the operator.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.replicas in [1, 3, 5, 7]").message("mysql.managed.replicas must be 1, 3, 5 or 7: an even number of members loses its majority no later than one member fewer, and more than 7 slow every write"),
    validation = Rule::new("self.replicas >= oldSelf.replicas").message("mysql.managed.replicas cannot shrink: keep the number, or make a new ChatbotDeployment and move the data"),
    validation = Rule::new("!has(self.config) || self.config.all(k, !(k.replace('-', '_').lowerAscii() in ['datadir', 'socket', 'pid_file', 'init_file', 'secure_file_priv', 'server_id', 'port', 'bind_address', 'mysqlx', 'report_host', 'report_port', 'skip_name_resolve', 'gtid_mode', 'enforce_gtid_consistency', 'log_bin', 'skip_log_bin', 'disable_log_bin', 'log_replica_updates', 'relay_log', 'skip_replica_start', 'read_only', 'super_read_only', 'performance_schema', 'log_error_verbosity', 'plugin_load', 'plugin_load_add']) && !k.replace('-', '_').lowerAscii().startsWith('group_replication_') && !k.replace('-', '_').lowerAscii().startsWith('loose_'))").message("mysql.managed.config names a setting that the operator owns (replication, paths, addresses, logs, read_only): leave it out").field_path(".config")
)]
pub struct ManagedMysql {
    /// Version, `major.minor`; the operator's default at creation is kept in status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d+\.\d+(\.\d+)?$"), length(max = 20))]
    pub version: Option<String>,

    /// Members: one, or three and more for failover.
    #[serde(default = "default_replicas")]
    pub replicas: i32,

    /// Volume of each member.
    #[serde(default)]
    pub storage: StorageSpec,

    /// Requests and limits of the server's container.
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

impl Default for ManagedMysql {
    fn default() -> Self {
        Self {
            version: None,
            replicas: default_replicas(),
            storage: StorageSpec::default(),
            resources: None,
            config: BTreeMap::new(),
            pod_template: None,
        }
    }
}

/// A volume.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("storage cannot be changed after creation: make a new ChatbotDeployment and move the data"),
    validation = Rule::new("isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0'))").message("storage.size must be a quantity of bytes such as 10Gi").field_path(".size")
)]
pub struct StorageSpec {
    /// Size, a quantity of bytes.
    #[serde(default = "default_size")]
    #[schemars(length(max = 30))]
    pub size: String,

    /// StorageClass; the cluster's default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self {
            size: default_size(),
            class_name: None,
        }
    }
}

/// A MySQL server run by somebody else.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.tls == 'Verified' || !has(self.ca)").message("mysql.external.ca has no use while the certificate is not checked: set tls to Verified, or leave ca out")
)]
pub struct ExternalMysql {
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

    /// What is asked of the connection, which is encrypted in any case.
    #[serde(default)]
    pub tls: MysqlTls,

    /// Whom the server's certificate may come from, besides those whom the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,

    /// Schema of accounts; made by the migration when it may.
    #[serde(default = "default_users_schema")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_]+$"), length(max = 64))]
    pub users_schema: String,

    /// Schema of conversations; made by the migration when it may.
    #[serde(default = "default_conversations_schema")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_]+$"), length(max = 64))]
    pub conversations_schema: String,
}

/// What is asked of an encrypted connection to MySQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MysqlTls {
    /// Nothing more: a server makes itself a certificate that nobody else knows.
    #[default]
    Unverified,
    /// That the server's certificate is from an authority that is trusted, and for the server's name.
    Verified,
}

impl MysqlTls {
    /// The workloads' word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
        }
    }
}

const fn default_replicas() -> i32 {
    3
}

fn default_size() -> String {
    "10Gi".to_owned()
}

const fn default_port() -> i32 {
    3306
}

fn default_users_schema() -> String {
    "users".to_owned()
}

fn default_conversations_schema() -> String {
    "conversations".to_owned()
}
