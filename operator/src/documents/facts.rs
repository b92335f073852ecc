//! What the agent tells of the document store: written by the agent, read by the operator.

use serde::{Deserialize, Serialize};

/// What the agent tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreFacts {
    /// Whether PostgreSQL runs, and knows the account of the workloads.
    pub prepared: bool,
    /// Whether FerretDB takes connections.
    pub fronted: bool,
    /// What went wrong last, for a person.
    pub problem: Option<String>,
    /// How often PostgreSQL ended without being asked to, since the agent started.
    pub crashes: u32,
}

impl StoreFacts {
    /// Whether documents can be read and written.
    #[must_use]
    pub const fn serves(&self) -> bool {
        self.prepared && self.fronted
    }
}
