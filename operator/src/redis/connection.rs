//! Redis as its users see it: where it is, and with which account. The same for a managed and an external one, so
//! that workloads need not know which.

use chatbot_contract::{identity, ports, redis};
use chatbot_crds::{ChatbotDeploymentSpec, ExternalRedis};

use crate::engine::Account;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Redis as its users see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// `host:port` of each Sentinel, or of the one server.
    pub hosts: Vec<String>,
    /// How the server that takes writes is found.
    pub topology: &'static str,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// With which account.
    pub account: Account,
}

/// The Secret of an external Redis, if there is one.
#[must_use]
pub fn secret(spec: &ChatbotDeploymentSpec) -> Option<String> {
    spec.redis
        .external
        .as_ref()
        .map(|external| external.secret_name.clone())
}

impl Connection {
    /// The Redis that the spec describes, if there is one.
    ///
    /// # Errors
    /// The Secret, a key or the identity is not there.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        if let Some(external) = &facts.spec.redis.external {
            let ExternalRedis {
                host,
                port,
                secret_name,
                tls,
            } = external;
            return Ok(Some(Self {
                hosts: vec![format!("{host}:{port}")],
                topology: "single",
                tls: *tls,
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
            account: Account::of_identity(facts, redis::WORKLOAD_ACCOUNT, key)?,
        }))
    }
}
