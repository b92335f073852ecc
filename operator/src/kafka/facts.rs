//! What an agent tells of its Kafka member: written by the agent, read by the operator and by other agents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::Told;

/// What an agent tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    /// Name of the member: its pod's.
    pub member: String,
    /// Kafka's id of the member's data folder, the one it has or will get. A lost volume is replaced by one
    /// with another id, so this tells what remembers its votes from what does not.
    pub directory: String,
    /// The cluster that the volume was formatted for; absent while it is empty.
    pub cluster: Option<Cluster>,
    /// Whether the volume ever belonged to a voter of its cluster.
    pub voter: bool,
    /// What the server said last; absent while it does not answer.
    pub server: Option<ServerFacts>,
    /// What went wrong last, for a person.
    pub problem: Option<String>,
    /// How often the server ended without being asked to, since the agent started.
    pub crashes: u32,
}

/// A cluster, as it was first made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Kafka's id of it.
    pub id: String,
    /// The first quorum: the directory of each member.
    pub first: BTreeMap<String, String>,
}

/// What a server says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// The member that leads the quorum, where the server knows one.
    pub leader: Option<String>,
    /// Whether this member's directory is among the voters.
    pub voting: bool,
    /// Whether the cluster counts this member among those that serve.
    pub serving: bool,
    /// Partitions of which this member has a copy that is not in step.
    pub behind: u32,
}

impl MemberFacts {
    /// The member that leads the quorum, as far as this one knows.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.server.as_ref()?.leader.as_deref()
    }
}

impl Told for MemberFacts {
    /// Whether its server votes, serves, and has all that it shall have.
    fn in_step(&self) -> bool {
        self.server.as_ref().is_some_and(|server| {
            server.leader.is_some() && server.voting && server.serving && server.behind == 0
        })
    }

    fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}
