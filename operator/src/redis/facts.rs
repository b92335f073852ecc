//! What an agent tells of its Redis member: written by the agent, read by the operator and by other agents.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::agent::Told;

/// What an agent tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    /// Name of the member: its pod's.
    pub member: String,
    /// The address by which it is announced, once it is known: its Service's.
    pub address: Option<IpAddr>,
    /// Whether its volume ever held the data of the whole: a primary's, or a copy that was complete.
    pub seeded: bool,
    /// What the server said last; absent while it does not answer.
    pub server: Option<ServerFacts>,
    /// The primary in the eyes of its Sentinel; absent while that does not answer.
    pub watched: Option<IpAddr>,
    /// What went wrong last, for a person.
    pub problem: Option<String>,
    /// How often the server ended without being asked to, since the agent started.
    pub crashes: u32,
}

/// What a server says of itself (`ROLE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Its role.
    pub role: Role,
    /// Whether it has all that it needs: a primary always, a replica while it is connected and in step.
    pub in_step: bool,
    /// How much it has of the replication stream, in bytes.
    pub offset: u64,
}

/// Role of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "UPPERCASE")]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Follows.
    #[strum(serialize = "SECONDARY")]
    Replica,
}

impl MemberFacts {
    /// Whether its server takes writes.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.server
            .is_some_and(|server| server.role == Role::Primary)
    }
}

impl Told for MemberFacts {
    /// Whether its server answers and has all that it needs.
    fn in_step(&self) -> bool {
        self.server.is_some_and(|server| server.in_step)
    }

    fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}
