//! What a workload tells the operator about the things it depends on.

use serde::{Deserialize, Serialize};

/// Body of [`crate::paths::REPORT`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One entry for each dependency this process uses.
    pub dependencies: Vec<Dependency>,
}

/// One dependency as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Which.
    pub name: DependencyName,
    /// How it is.
    pub state: DependencyState,
    /// One sentence for a person: what was tried and what came back; never a secret.
    pub message: String,
}

/// The dependencies that are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DependencyName {
    /// The relational store.
    Mysql,
    /// Cache, limits and streams.
    Redis,
    /// The log of events.
    Kafka,
    /// Archives and analytics.
    Documents,
    /// The model API.
    Model,
    /// The SMTP server.
    Mail,
}

/// The state of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DependencyState {
    /// Not tried yet.
    Unknown,
    /// Works.
    Ok,
    /// No connection, or no answer in time.
    Unreachable,
    /// Answers, and refuses our credentials.
    Refused,
    /// Answers, and something else is wrong: no such schema, model or right; read-only; overloaded.
    Failing,
}
