//! Whether a member makes the replica set: pure, from what all the agents tell.
//!
//! The danger is a second set beside one that has data. So the first member makes it, and only while every member's
//! server answers that it belongs to none: a member that lost its volume has neighbours who belong to one, and they
//! take it in and fill it under its old name
//! (<https://www.mongodb.com/docs/manual/tutorial/resync-replica-set-member/>). What was heard may be old by the time
//! it is acted on; MongoDB then refuses by itself, since it asks every member that it is told of whether it has data
//! (<https://www.mongodb.com/docs/manual/reference/command/replSetInitiate/>).

use crate::documents::mongo::facts::MemberFacts;

/// What is known: this member, the others that answer, and the names of all.
pub(super) struct View<'a> {
    pub(super) own: &'a MemberFacts,
    pub(super) peers: &'a [MemberFacts],
    pub(super) members: &'a [String],
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the server belongs to a set, which knows what to do.
    Follow,
    /// Make the replica set of all members.
    Initiate,
    /// Nobody can know yet, for this reason.
    Wait(&'static str),
}

impl View<'_> {
    /// Decides for a member whose server runs.
    pub(super) fn step(&self) -> Step {
        match self.own.initiated {
            None => return Step::Wait("the server does not answer yet"),
            Some(true) => return Step::Follow,
            Some(false) => {}
        }
        if self.all().any(|facts| facts.initiated == Some(true)) {
            return Step::Wait("the other members have data, and have not yet taken this one in");
        }
        if !self.members.iter().all(|member| self.is_empty(member)) {
            return Step::Wait(
                "not every member's server was heard, so nobody knows whether one has data",
            );
        }
        if self.members.first() != Some(&self.own.member) {
            return Step::Wait("the first member is about to make the replica set");
        }
        Step::Initiate
    }

    fn is_empty(&self, member: &str) -> bool {
        self.all()
            .any(|facts| facts.member == member && facts.initiated == Some(false))
    }

    fn all(&self) -> impl Iterator<Item = &MemberFacts> {
        std::iter::once(self.own).chain(self.peers)
    }
}

#[cfg(test)]
mod tests;
