//! Kafka as its users see it: where it is, and with which account. The same for a managed and an external one, so
//! that workloads need not know which.

use chatbot_contract::events::TOPIC_PREFIX;
use chatbot_contract::{identity, kafka, ports};
use chatbot_crds::{ChatbotDeploymentSpec, ExternalKafka, SaslMechanism};

use crate::authority::{self, Authority};
use crate::engine::Account;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Field of the spec that names the Secret of an external Kafka.
const SECRET_FIELD: &str = "kafka.external.secretName";

/// Field of the spec that names the certificate authority of an external one.
const CA_FIELD: &str = "kafka.external.ca";

/// Kafka and the account of the workloads.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// Servers to begin with, `host:port` separated by commas.
    pub servers: String,
    /// Name of the SASL mechanism.
    pub mechanism: &'static str,
    /// Whether to use TLS.
    pub tls: bool,
    /// Whom the certificate must come from, where the spec says it.
    pub authority: Option<Authority>,
    /// What topic names begin with.
    pub topic_prefix: String,
    /// With which account.
    pub account: Account,
}

/// The Secrets of an external Kafka.
#[must_use]
pub fn secrets(spec: &ChatbotDeploymentSpec) -> Vec<String> {
    spec.kafka
        .external
        .as_ref()
        .map_or_else(Vec::new, |external| {
            authority::secrets(Some(&external.secret_name), external.ca.as_ref())
        })
}

impl Connection {
    /// The Kafka that the spec describes; nothing where there is none.
    ///
    /// # Errors
    /// A Secret, a key or the identity is not there, or a key holds no certificate authority.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        if let Some(external) = &facts.spec.kafka.external {
            let ExternalKafka {
                bootstrap_servers,
                secret_name,
                mechanism,
                tls,
                ca,
                topic_prefix,
            } = external;
            return Ok(Some(Self {
                servers: bootstrap_servers.join(","),
                mechanism: mechanism.name(),
                tls: *tls,
                authority: Authority::of(facts, ca.as_ref(), CA_FIELD)?,
                topic_prefix: topic_prefix.clone(),
                account: Account::of_secret(facts, secret_name, SECRET_FIELD)?,
            }));
        }
        let Some(managed) = &facts.spec.kafka.managed else {
            return Ok(None);
        };
        let server = |ordinal| {
            let member = names::member(&facts.name, names::KAFKA, ordinal);
            format!("{member}.{}.svc:{}", facts.namespace, ports::KAFKA)
        };
        let servers: Vec<String> = (0..managed.replicas).map(server).collect();
        let key = identity::kafka_password(kafka::WORKLOAD_ACCOUNT);
        Ok(Some(Self {
            servers: servers.join(","),
            mechanism: SaslMechanism::ScramSha512.name(),
            tls: false,
            authority: None,
            topic_prefix: TOPIC_PREFIX.to_owned(),
            account: Account::of_identity(facts, kafka::WORKLOAD_ACCOUNT, key)?,
        }))
    }
}
