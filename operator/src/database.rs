//! The relational store as its users see it: where it is, and with which account.
//!
//! The same for a managed and an external one, so that workloads and migration need not know which.

use chatbot_contract::{identity, mysql, ports};
use chatbot_crds::{ChatbotDeploymentSpec, ExternalMysql, MysqlTls};

use crate::authority::{self, Authority};
use crate::engine::Account;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Field of the spec that names the Secret of an external MySQL.
const SECRET_FIELD: &str = "mysql.external.secretName";

/// Field of the spec that names the certificate authority of an external MySQL.
const CA_FIELD: &str = "mysql.external.ca";

/// The relational store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// `host:port` of each server.
    pub hosts: Vec<String>,
    /// How the server that takes writes is found.
    pub topology: &'static str,
    /// Whether the server's certificate is checked, in the workloads' word.
    pub tls: &'static str,
    /// Whom it may come from besides those whom the system trusts, where the spec says it.
    pub authority: Option<Authority>,
    /// Schema of accounts.
    pub users_schema: String,
    /// Schema of conversations.
    pub conversations_schema: String,
}

/// The Secrets of an external MySQL.
#[must_use]
pub fn secrets(spec: &ChatbotDeploymentSpec) -> Vec<String> {
    spec.mysql
        .external
        .as_ref()
        .map_or_else(Vec::new, |external| {
            authority::secrets(Some(&external.secret_name), external.ca.as_ref())
        })
}

impl Database {
    /// The store that the spec describes.
    ///
    /// # Errors
    /// The Secret or the key of the certificate authority is not there, or holds none.
    pub fn of(facts: &Facts) -> Result<Self, Problem> {
        Ok(match &facts.spec.mysql.external {
            Some(ExternalMysql {
                host,
                port,
                secret_name: _,
                tls,
                ca,
                users_schema,
                conversations_schema,
            }) => Self {
                hosts: vec![format!("{host}:{port}")],
                topology: "single",
                tls: tls.name(),
                authority: Authority::of(facts, ca.as_ref(), CA_FIELD)?,
                users_schema: users_schema.clone(),
                conversations_schema: conversations_schema.clone(),
            },
            None => {
                let replicas = facts
                    .spec
                    .mysql
                    .managed
                    .as_ref()
                    .map_or(1, |managed| managed.replicas);
                Self {
                    hosts: (0..replicas)
                        .map(|ordinal| {
                            let host =
                                names::mysql_member_host(&facts.name, &facts.namespace, ordinal);
                            format!("{host}:{}", ports::MYSQL)
                        })
                        .collect(),
                    topology: "group",
                    tls: MysqlTls::Unverified.name(),
                    authority: None,
                    users_schema: mysql::USERS_SCHEMA.to_owned(),
                    conversations_schema: mysql::CONVERSATIONS_SCHEMA.to_owned(),
                }
            }
        })
    }
}

/// The account for this purpose; an external store has one for all.
///
/// # Errors
/// The Secret, a key or the identity is not there.
pub fn account(facts: &Facts, account: &str) -> Result<Account, Problem> {
    match &facts.spec.mysql.external {
        Some(external) => Account::of_secret(facts, &external.secret_name, SECRET_FIELD),
        None => Account::of_identity(facts, account, identity::mysql_password(account)),
    }
}
