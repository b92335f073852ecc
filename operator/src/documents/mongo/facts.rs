//! What an agent tells of its MongoDB member: written by the agent, read by the operator and by other agents.

use serde::{Deserialize, Serialize};

use crate::agent::Told;

/// A secondary that is further behind than this (seconds) would take over with less than the others have: the lag at
/// which MongoDB itself slows writes down (`flowControlTargetLagSeconds`).
const NEAR: u64 = 10;

/// What an agent tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    /// Name of the member: its pod's.
    pub member: String,
    /// Whether its server's volume belongs to a replica set; absent until the server said so, and while it does not answer,
    /// unless it belonged to one before: that is never taken back.
    pub initiated: Option<bool>,
    /// What the server of a replica set said last; absent while it does not answer.
    pub server: Option<ServerFacts>,
    /// Whether the accounts were made since its server is primary.
    pub declared: bool,
    /// What went wrong last, for a person.
    pub problem: Option<String>,
    /// How often the server ended without being asked to, since the agent started.
    pub crashes: u32,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Its state.
    pub state: State,
    /// How much older its last change is than the primary's (seconds), where it knows both.
    pub behind: Option<u64>,
    /// The term in which it is primary: of two that call themselves so, the one with the higher term is.
    pub term: i64,
}

/// State of a member (<https://www.mongodb.com/docs/manual/reference/replica-states/>).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::FromRepr,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
pub enum State {
    /// Reads its configuration.
    Startup = 0,
    /// Takes writes.
    Primary = 1,
    /// Follows.
    Secondary = 2,
    /// Not yet ready to follow.
    Recovering = 3,
    /// Copies everything from another member.
    Startup2 = 5,
    /// Takes back what the others do not have.
    Rollback = 9,
    /// The set's configuration does not name it, or it does not find itself there.
    Removed = 10,
}

impl MemberFacts {
    /// The state of its server, where that answers.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.server.map(|server| server.state)
    }

    /// Whether its server takes writes.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.state() == Some(State::Primary)
    }
}

impl Told for MemberFacts {
    /// Whether its server takes writes and knows the workloads, or follows and has nearly all.
    fn in_step(&self) -> bool {
        self.server.is_some_and(|server| match server.state {
            State::Primary => self.declared,
            State::Secondary => server.behind.is_some_and(|behind| behind <= NEAR),
            _ => false,
        })
    }

    fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_is_in_step_once_it_knows_the_workloads_and_a_secondary_while_it_has_nearly_all() {
        let facts = |state, behind| MemberFacts {
            server: Some(ServerFacts {
                state,
                behind,
                term: 1,
            }),
            ..MemberFacts::default()
        };
        assert!(!facts(State::Primary, None).in_step());
        let declared = MemberFacts {
            declared: true,
            ..facts(State::Primary, None)
        };
        assert!(declared.in_step());
        assert!(facts(State::Secondary, Some(2)).in_step());
        assert!(!facts(State::Secondary, Some(11)).in_step());
        assert!(!facts(State::Secondary, None).in_step());
        assert!(!facts(State::Startup2, Some(0)).in_step());
        assert!(!MemberFacts::default().in_step());
    }

    #[test]
    fn states_are_named_as_in_mongodb_s_manual() {
        assert_eq!(State::from_repr(5), Some(State::Startup2));
        assert_eq!(State::Startup2.to_string(), "STARTUP2");
    }
}
