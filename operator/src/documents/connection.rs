//! The document store as storage sees it: where it is, and with which account. The same for a managed and an external
//! one, so that storage need not know which.

use chatbot_contract::{documents, identity, ports};
use chatbot_crds::{ChatbotDeploymentSpec, DocumentEngine, ExternalDocuments};

use crate::authority::{self, Authority};
use crate::engine::Account;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Field of the spec that names the Secret of an external store.
const SECRET_FIELD: &str = "documents.external.secretName";

/// Field of the spec that names the certificate authority of an external one.
const CA_FIELD: &str = "documents.external.ca";

/// The document store and storage's account.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// Servers, `host:port` separated by commas.
    pub hosts: String,
    /// Name of the replica set, where they are one.
    pub replica_set: Option<String>,
    /// The database.
    pub database: String,
    /// Whether to use TLS.
    pub tls: bool,
    /// Whom the certificate must come from, where the spec says it.
    pub authority: Option<Authority>,
    /// Days for which transcripts are kept; for ever where absent.
    pub retention_days: Option<i32>,
    /// Days for which requests are kept; the workloads' own where absent.
    pub request_retention_days: Option<i32>,
    /// With which account.
    pub account: Account,
}

/// The Secrets of an external store.
#[must_use]
pub fn secrets(spec: &ChatbotDeploymentSpec) -> Vec<String> {
    spec.documents
        .external
        .as_ref()
        .map_or_else(Vec::new, |external| {
            authority::secrets(Some(&external.secret_name), external.ca.as_ref())
        })
}

impl Connection {
    /// The store that the spec describes; nothing where there is none.
    ///
    /// # Errors
    /// A Secret, a key or the identity is not there, or a key holds no certificate authority.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        let spec = &facts.spec.documents;
        if let Some(external) = &spec.external {
            let ExternalDocuments {
                hosts,
                replica_set,
                database,
                secret_name,
                tls,
                ca,
            } = external;
            return Ok(Some(Self {
                hosts: hosts.join(","),
                replica_set: replica_set.clone(),
                database: database.clone(),
                tls: *tls,
                authority: Authority::of(facts, ca.as_ref(), CA_FIELD)?,
                retention_days: spec.retention_days,
                request_retention_days: spec.request_retention_days,
                account: Account::of_secret(facts, secret_name, SECRET_FIELD)?,
            }));
        }
        let Some(managed) = &spec.managed else {
            return Ok(None);
        };
        let hosts = match managed.engine {
            DocumentEngine::FerretDB => vec![names::of(&facts.name, names::DOCUMENTS)],
            DocumentEngine::MongoDB => {
                let replicas = managed
                    .replicas
                    .unwrap_or(managed.engine.default_replicas());
                let member = |ordinal| names::member(&facts.name, names::DOCUMENTS, ordinal);
                (0..replicas).map(member).collect()
            }
        };
        let hosts: Vec<String> = hosts
            .into_iter()
            .map(|host| format!("{host}.{}.svc:{}", facts.namespace, ports::DOCUMENTS))
            .collect();
        let account = Account::of_identity(
            facts,
            documents::WORKLOAD_ACCOUNT,
            identity::DOCUMENTS_PASSWORD.to_owned(),
        )?;
        Ok(Some(Self {
            hosts: hosts.join(","),
            replica_set: (managed.engine == DocumentEngine::MongoDB)
                .then(|| documents::REPLICA_SET.to_owned()),
            database: documents::DATABASE.to_owned(),
            tls: false,
            authority: None,
            retention_days: spec.retention_days,
            request_retention_days: spec.request_retention_days,
            account,
        }))
    }
}
