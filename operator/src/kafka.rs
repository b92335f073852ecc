//! The log of events as its users see it: where it is, and with which account.

use chatbot_crds::{ChatbotDeploymentSpec, ExternalKafka, SecretKey};

use crate::facts::Facts;
use crate::reason::{Problem, Reason};

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
    /// The user.
    pub user: String,
    /// The Secret with the password.
    pub secret: String,
    /// The password, to notice that it changed.
    pub password: Vec<u8>,
}

/// The Secret of an external Kafka, if there is one.
#[must_use]
pub fn secret(spec: &ChatbotDeploymentSpec) -> Option<String> {
    spec.kafka
        .as_ref()
        .map(|kafka| kafka.external.secret_name.clone())
}

impl Kafka {
    /// Key of the Secret under which the password stands.
    pub const PASSWORD_KEY: &str = "password";

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
        let key = |key: &str| SecretKey {
            name: secret_name.clone(),
            key: key.to_owned(),
        };
        let user = facts.secret_value(&key("username"), SECRET_FIELD)?;
        let user = std::str::from_utf8(user).map_err(|_| {
            Problem::new(
                Reason::InvalidSpec,
                format!("the key username of Secret {secret_name} is not text"),
            )
        })?;
        Ok(Some(Self {
            servers: bootstrap_servers.join(","),
            mechanism: mechanism.name(),
            tls: *tls,
            topic_prefix: topic_prefix.clone(),
            user: user.trim().to_owned(),
            secret: secret_name.clone(),
            password: facts
                .secret_value(&key(Self::PASSWORD_KEY), SECRET_FIELD)?
                .to_owned(),
        }))
    }
}
