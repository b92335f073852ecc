//! What an agent tells of its MySQL member: written by the agent, read by the operator and by other agents.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::gtid::GtidSet;

/// What an agent tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    /// Name of the member: its pod's.
    pub member: String,
    /// Where other members reach it, `address:port`.
    pub address: String,
    /// The replication group it shall belong to, from the identity.
    pub group_id: Uuid,
    /// How far the agent is with its server.
    pub phase: Phase,
    /// What stands beside the data.
    pub record: Record,
    /// What the server said last; absent while it does not answer.
    pub server: Option<ServerFacts>,
    /// How long ago that was, in milliseconds.
    pub age_ms: u64,
    /// What went wrong last, for a person.
    pub problem: Option<String>,
    /// How often the server ended without being asked to, since the agent started.
    pub crashes: u32,
}

/// How far an agent is with its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Phase {
    /// Makes or moves data; the server does not run.
    #[default]
    Preparing,
    /// The server runs, or is being started again.
    Running,
    /// Makes or joins a group at this moment.
    Entering,
    /// The volume holds data of another group: nothing is touched.
    Foreign,
    /// Told to stop.
    Stopping,
}

/// What the agent keeps beside the data, and changes before it acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The group whose data this is.
    pub group_id: Uuid,
    /// Highest epoch this member made a group for; 0 for none.
    pub epoch: u64,
    /// Whether it has ever been online in the group.
    pub joined: bool,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Its UUID, which changes when its volume does.
    pub server_id: Uuid,
    /// Its version.
    pub version: String,
    /// Transactions it has carried out.
    pub executed: GtidSet,
    /// Transactions it has received from the group and keeps to carry out.
    pub received: GtidSet,
    /// Whether an ordinary account could write.
    pub writable: bool,
    /// The group as it sees it.
    pub view: Vec<ViewMember>,
}

/// One member in the eyes of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewMember {
    /// UUID of the server.
    pub server_id: Uuid,
    /// The name it reports.
    pub host: String,
    /// Its state.
    pub state: MemberState,
    /// Its role, where the group gives one.
    pub role: Option<Role>,
}

/// State of a member, in MySQL's words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum MemberState {
    /// Takes part.
    Online,
    /// Catches up.
    Recovering,
    /// Suspected to be gone.
    Unreachable,
    /// Fell out.
    Error,
    /// Is in no group.
    Offline,
}

/// Role of a member, in MySQL's words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Follows.
    Secondary,
}

impl ServerFacts {
    /// The server in its own view.
    #[must_use]
    pub fn own(&self) -> Option<&ViewMember> {
        self.view
            .iter()
            .find(|member| member.server_id == self.server_id)
    }

    /// Its own state.
    #[must_use]
    pub fn state(&self) -> MemberState {
        self.own().map_or(MemberState::Offline, |own| own.state)
    }

    /// Whether more than half of its view can be reached.
    #[must_use]
    pub fn has_majority(&self) -> bool {
        let reached = self
            .view
            .iter()
            .filter(|member| matches!(member.state, MemberState::Online | MemberState::Recovering))
            .count();
        reached * 2 > self.view.len()
    }

    /// Whether it takes part in a group that can decide.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.state() == MemberState::Online && self.has_majority()
    }

    /// Whether it takes writes for such a group.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.is_online()
            && self
                .own()
                .is_some_and(|own| own.role == Some(Role::Primary))
    }

    /// Whether it takes part in a group, with or without a majority, or is on the way into one.
    #[must_use]
    pub fn is_in_group(&self) -> bool {
        matches!(
            self.state(),
            MemberState::Online | MemberState::Recovering | MemberState::Unreachable
        )
    }

    /// Everything it has, carried out or not.
    #[must_use]
    pub fn has(&self) -> GtidSet {
        self.executed.union(&self.received)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::{MemberState, Role, ServerFacts, ViewMember};
    use crate::mysql::gtid::GtidSet;

    /// A server with a number for its UUID.
    pub(crate) fn server(
        id: u128,
        executed: &str,
        view: &[(u128, MemberState, bool)],
    ) -> ServerFacts {
        ServerFacts {
            server_id: Uuid::from_u128(id),
            version: "9.7.4".to_owned(),
            executed: executed.parse().unwrap_or_default(),
            received: GtidSet::default(),
            writable: false,
            view: view
                .iter()
                .map(|&(id, state, primary)| ViewMember {
                    server_id: Uuid::from_u128(id),
                    host: format!("host-{id}"),
                    state,
                    role: Some(if primary {
                        Role::Primary
                    } else {
                        Role::Secondary
                    }),
                })
                .collect(),
        }
    }

    #[test]
    fn a_primary_without_a_majority_is_none() {
        use MemberState::{Online, Unreachable};
        let whole = server(
            1,
            "",
            &[
                (1, Online, true),
                (2, Online, false),
                (3, Unreachable, false),
            ],
        );
        assert!(whole.is_primary());
        let cut = server(
            1,
            "",
            &[
                (1, Online, true),
                (2, Unreachable, false),
                (3, Unreachable, false),
            ],
        );
        assert!(!cut.is_primary() && !cut.is_online() && cut.is_in_group());
        let half = server(1, "", &[(1, Online, true), (2, Unreachable, false)]);
        assert!(!half.has_majority());
    }

    #[test]
    fn states_are_mysqls_words() {
        assert_eq!("ONLINE".parse(), Ok(MemberState::Online));
        assert_eq!("PRIMARY".parse(), Ok(Role::Primary));
        assert_eq!(MemberState::Recovering.to_string(), "RECOVERING");
    }
}
