//! The log of events as its users see it: where it is, and with which account.

use chatbot_crds::{ChatbotDeploymentSpec, ExternalKafka};

use crate::engine::Account;
use crate::facts::Facts;
use crate::reason::Problem;

/// Field of the spec that names the Secret of an external Kafka.
const SECRET_FIELD: &str = "kafka.external.secretName";

/// Kafka and the account of the workloads.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// Servers to begin with, `host:port` separated by commas.
    pub servers: String,
    /// Name of the SASL mechanism.
    pub mechanism: &'static str,
    /// Whether to use TLS.
    pub tls: bool,
    /// What topic names begin with.
    pub topic_prefix: String,
    /// With which account.
    pub account: Account,
}

/// The Secret of an external Kafka, if there is one.
#[must_use]
pub fn secret(spec: &ChatbotDeploymentSpec) -> Option<String> {
    spec.kafka
        .as_ref()
        .map(|kafka| kafka.external.secret_name.clone())
}

impl Kafka {
    /// The Kafka that the spec describes; nothing where it names none.
    ///
    /// # Errors
    /// The Secret or a key is not there.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        let Some(kafka) = &facts.spec.kafka else {
            return Ok(None);
        };
        let ExternalKafka {
            bootstrap_servers,
            secret_name,
            mechanism,
            tls,
            topic_prefix,
        } = &kafka.external;
        Ok(Some(Self {
            servers: bootstrap_servers.join(","),
            mechanism: mechanism.name(),
            tls: *tls,
            topic_prefix: topic_prefix.clone(),
            account: Account::of_secret(facts, secret_name, SECRET_FIELD)?,
        }))
    }
}
