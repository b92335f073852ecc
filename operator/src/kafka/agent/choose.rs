//! What a member does with its volume: pure, from what all the agents tell.
//!
//! The danger is a voter that forgot its votes. So a directory is named once, when its volume is empty, and a
//! cluster's id is made of its first quorum's directories: members that disagree about the first quorum are in
//! different clusters and never count each other's votes, and of two such quorums only one can have a majority.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::kafka::facts::{Cluster, MemberFacts};

/// What is known: this member, the others that answer, and how many there shall be.
pub(super) struct View<'a> {
    pub(super) own: &'a MemberFacts,
    pub(super) peers: &'a [MemberFacts],
    pub(super) members: usize,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The volume is right: run the server.
    Run,
    /// Format the volume as a voter of the first quorum.
    First(Cluster),
    /// Format the volume to join a cluster, which makes it a voter.
    Join(Cluster),
    /// Give the volume up, for this reason.
    Empty(&'static str),
    /// Nobody can know yet, for this reason.
    Wait(&'static str),
}

impl View<'_> {
    /// Decides for a member whose server knows no leader.
    pub(super) fn step(&self) -> Step {
        match &self.own.cluster {
            Some(cluster) => self.formatted(cluster),
            None => self.empty(),
        }
    }

    fn formatted(&self, own: &Cluster) -> Step {
        if self.led().is_some_and(|other| other.id != own.id) {
            return Step::Empty("the others are another cluster, which works");
        }
        let voters = self.all().filter(|facts| votes(facts, own)).count();
        let majority = self.members / 2 + 1;
        if self.heard_all() && voters < majority && self.led().is_none() {
            return Step::Empty("so many volumes were lost that the quorum cannot come back");
        }
        Step::Run
    }

    fn empty(&self) -> Step {
        if let Some(cluster) = self.led() {
            return Step::Join(cluster.clone());
        }
        let made = self.peers.iter().filter_map(|facts| facts.cluster.as_ref());
        let mut of_us =
            made.filter(|cluster| cluster.first.get(&self.own.member) == Some(&self.own.directory));
        if let Some(cluster) = of_us.next() {
            return Step::First(cluster.clone());
        }
        if self.peers.iter().any(|facts| facts.cluster.is_some()) {
            return Step::Wait("the other members have no leader yet whom this one could join");
        }
        if !self.heard_all() {
            return Step::Wait("not every member was heard, so nobody knows whether one has data");
        }
        Step::First(Cluster::of(
            self.all()
                .map(|facts| (facts.member.clone(), facts.directory.clone()))
                .collect(),
        ))
    }

    /// A cluster that has a leader.
    fn led(&self) -> Option<&Cluster> {
        self.peers
            .iter()
            .filter(|facts| facts.leader().is_some())
            .find_map(|facts| facts.cluster.as_ref())
    }

    fn all(&self) -> impl Iterator<Item = &MemberFacts> {
        std::iter::once(self.own).chain(self.peers)
    }

    fn heard_all(&self) -> bool {
        self.peers.len() + 1 == self.members
    }
}

/// Whether a member's volume remembers its votes in a cluster, or is about to be made a first voter of it.
fn votes(facts: &MemberFacts, cluster: &Cluster) -> bool {
    match &facts.cluster {
        Some(of) => facts.voter && of.id == cluster.id,
        None => cluster.first.get(&facts.member) == Some(&facts.directory),
    }
}

impl Cluster {
    /// The cluster with this first quorum.
    fn of(first: BTreeMap<String, String>) -> Self {
        let mut hash = Sha256::new();
        for directory in first.values() {
            hash.update(directory);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self {
            id: kafka_id(id),
            first,
        }
    }
}

/// Makes an id such as Kafka does: 22 characters, the first of which is none that a tool could take for an option's.
pub(super) fn kafka_id(mut id: [u8; 16]) -> String {
    // The first six bits 62 are a minus.
    if id[0] >> 2 == 62 {
        id[0] &= 0x7f;
    }
    written(&id)
}

/// An id as Kafka writes it.
pub(super) fn written(id: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

#[cfg(test)]
mod tests;
