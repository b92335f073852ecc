//! The document store: managed by the operator, somebody else's, or none.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CertificateAuthority, PodTemplate, Resources, StorageSpec, Without};

/// The document store: exactly one of the three. What stands there can be made of MySQL's content again, so the choice
/// can be changed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.managed), has(self.external), has(self.none)].filter(x, x).size() == 1").message("documents takes exactly one of managed (the operator runs it), external (you run it) and none: keep one"),
    validation = Rule::new("!has(self.retentionDays) || !has(self.none)").message("documents.retentionDays is for documents, and documents.none has none: leave one of the two out"),
    validation = Rule::new("!has(self.requestRetentionDays) || !has(self.none)").message("documents.requestRetentionDays is for documents, and documents.none has none: leave one of the two out")
)]
pub struct DocumentsSpec {
    /// Run by the operator: FerretDB on PostgreSQL with DocumentDB, or MongoDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedDocuments>,

    /// Run by somebody else: anything that speaks MongoDB's protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalDocuments>,

    /// Not there: nothing is archived, and nobody is told what was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Without>,

    /// Days after which a transcript goes; absent: transcripts stay as long as what they were made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: Option<i32>,

    /// Days after which goes what was noted of a request; 30 when absent. Requests are noted where there is a Kafka, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub request_retention_days: Option<i32>,
}

impl Default for DocumentsSpec {
    fn default() -> Self {
        Self {
            managed: Some(ManagedDocuments::default()),
            external: None,
            none: None,
            retention_days: None,
            request_retention_days: None,
        }
    }
}

/// A document store run by the operator.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.replicas) || self.replicas == 1 || (self.engine == 'MongoDB' && self.replicas == 3)").message("documents.managed.replicas must be 1 or absent for FerretDB, which is one instance, and 1 or 3 for MongoDB: two members cannot agree when one is gone"),
    validation = Rule::new("!has(self.version) || self.engine == 'MongoDB'").message("documents.managed.version is for MongoDB: FerretDB's image and PostgreSQL's are a pair that the operator's release names; leave it out"),
    validation = Rule::new("self.engine == oldSelf.engine && (has(self.replicas) ? self.replicas : (self.engine == 'MongoDB' ? 3 : 1)) == (has(oldSelf.replicas) ? oldSelf.replicas : (oldSelf.engine == 'MongoDB' ? 3 : 1))").message("documents.managed.engine and replicas cannot change: set documents.none first and documents.managed again afterwards, which empties it, and run chatbot rebuild documents")
)]
pub struct ManagedDocuments {
    /// What it is made of.
    #[serde(default)]
    pub engine: DocumentEngine,

    /// Version of MongoDB, `major.minor` or `major.minor.patch`; the operator's release names one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d+\.\d+(\.\d+)?$"), length(max = 20))]
    pub version: Option<String>,

    /// Members: one for FerretDB; for MongoDB one, or three (when absent), of which one may be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// The volume, of each member.
    #[serde(default = "default_storage")]
    pub storage: StorageSpec,

    /// Requests and limits of PostgreSQL's container, a quarter of whose memory limit is for its pages, or of MongoDB's,
    /// half of whose memory limit above 1 GiB is for its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Merged over the pod template last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

impl Default for ManagedDocuments {
    fn default() -> Self {
        Self {
            engine: DocumentEngine::default(),
            version: None,
            replicas: None,
            storage: default_storage(),
            resources: None,
            pod_template: None,
        }
    }
}

/// What a document store is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DocumentEngine {
    /// FerretDB on PostgreSQL with the DocumentDB extension.
    #[default]
    FerretDB,
    /// MongoDB as a replica set. *Unverified*: its agent was tried with a stand-in that keeps to MongoDB's manual, not
    /// with MongoDB's own server.
    MongoDB,
}

impl DocumentEngine {
    /// Members where the spec does not say.
    #[must_use]
    pub const fn default_replicas(self) -> i32 {
        match self {
            Self::FerretDB => 1,
            Self::MongoDB => 3,
        }
    }
}

/// Servers that speak MongoDB's protocol, run by somebody else.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.hosts.all(s, s.matches('^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$'))").message("documents.external.hosts must be host:port each, such as documents.example:27017"),
    validation = Rule::new("self.tls || !has(self.ca)").message("documents.external.ca has no use without TLS: set tls to true, or leave ca out")
)]
pub struct ExternalDocuments {
    /// Servers, `host:port` each.
    #[schemars(schema_with = "crate::schema::servers")]
    pub hosts: Vec<String>,

    /// Name of the replica set that they are, if they are one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub replica_set: Option<String>,

    /// The database; another one for each ChatbotDeployment.
    #[serde(default = "default_database")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"), length(max = 63))]
    pub database: String,

    /// Secret in the same namespace with the keys `username` and `password`; the account is one of `admin`'s.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,

    /// Whether the connection is encrypted; certificates and names of the servers are checked.
    #[serde(default = "default_tls")]
    pub tls: bool,

    /// Whom the servers' certificates must come from; the system's roots when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
}

fn default_storage() -> StorageSpec {
    StorageSpec {
        size: "5Gi".to_owned(),
        class_name: None,
    }
}

fn default_database() -> String {
    chatbot_contract::documents::DATABASE.to_owned()
}

const fn default_tls() -> bool {
    true
}
