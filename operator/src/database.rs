//! The relational store as its users see it: where it is, and with which account.
//!
//! The same for a managed and an external one, so that workloads and migration need not know which.

use chatbot_contract::{identity, mysql, ports};
use chatbot_crds::{ChatbotDeploymentSpec, ExternalMysql};

use crate::engine::Account;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Field of the spec that names the Secret of an external MySQL.
const SECRET_FIELD: &str = "mysql.external.secretName";

/// The relational store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// `host:port` of each server.
    pub hosts: Vec<String>,
    /// How the server that takes writes is found.
    pub topology: &'static str,
    /// Schema of accounts.
    pub users_schema: String,
    /// Schema of conversations.
    pub conversations_schema: String,
}

/// The Secret of an external MySQL, if there is one.
#[must_use]
pub fn secret(spec: &ChatbotDeploymentSpec) -> Option<String> {
    spec.mysql
        .external
        .as_ref()
        .map(|external| external.secret_name.clone())
}

impl Database {
    /// The store that the spec describes.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        match &facts.spec.mysql.external {
            Some(ExternalMysql {
                host,
                port,
                secret_name: _,
                users_schema,
                conversations_schema,
            }) => Self {
                hosts: vec![format!("{host}:{port}")],
                topology: "single",
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
                    users_schema: mysql::USERS_SCHEMA.to_owned(),
                    conversations_schema: mysql::CONVERSATIONS_SCHEMA.to_owned(),
                }
            }
        }
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
