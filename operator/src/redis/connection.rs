//! Redis as its users see it: where it is, and with which account. The same for a managed and an external one, so
//! that workloads need not know which.

use chatbot_contract::{identity, ports, redis};
use chatbot_crds::{ChatbotDeploymentSpec, ExternalRedis};

use crate::authority::{self, Authority};
use crate::engine::Account;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Field of the spec that names the certificate authority of an external one.
const CA_FIELD: &str = "redis.external.ca";

/// Redis as its users see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// `host:port` of each Sentinel, or of the one server.
    pub hosts: Vec<String>,
    /// How the server that takes writes is found.
    pub topology: &'static str,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whom the certificate must come from, where the spec says it.
    pub authority: Option<Authority>,
    /// With which account.
    pub account: Account,
}

/// The Secrets of an external Redis.
#[must_use]
pub fn secrets(spec: &ChatbotDeploymentSpec) -> Vec<String> {
    spec.redis
        .external
        .as_ref()
        .map_or_else(Vec::new, |external| {
            authority::secrets(Some(&external.secret_name), external.ca.as_ref())
        })
}

impl Connection {
    /// The Redis that the spec describes, if there is one.
    ///
    /// # Errors
    /// A Secret, a key or the identity is not there, or a key holds no certificate authority.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        if let Some(external) = &facts.spec.redis.external {
            let ExternalRedis {
                host,
                port,
                secret_name,
                tls,
                ca,
            } = external;
            return Ok(Some(Self {
                hosts: vec![format!("{host}:{port}")],
                topology: "single",
                tls: *tls,
                authority: Authority::of(facts, ca.as_ref(), CA_FIELD)?,
                account: Account::of_secret(facts, secret_name, "redis.external.secretName")?,
            }));
        }
        let Some(managed) = &facts.spec.redis.managed else {
            return Ok(None);
        };
        let (port, topology) = if managed.replicas > 1 {
            (ports::SENTINEL, "sentinel")
        } else {
            (ports::REDIS, "single")
        };
        let host = |ordinal| {
            let member = names::member(&facts.name, names::REDIS, ordinal);
            format!("{member}.{}.svc:{port}", facts.namespace)
        };
        let key = identity::redis_password(redis::WORKLOAD_ACCOUNT);
        Ok(Some(Self {
            hosts: (0..managed.replicas).map(host).collect(),
            topology,
            tls: false,
            authority: None,
            account: Account::of_identity(facts, redis::WORKLOAD_ACCOUNT, key)?,
        }))
    }
}
