//! Decides what the agent does with a server that runs: pure, from what the server, its peers and the intent say.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::agent::peers;
use crate::mysql::facts::{MemberFacts, MemberState, Record, ServerFacts};
use crate::mysql::gtid::GtidSet;
use crate::mysql::intent::Intent;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make a group of this member, and note the epoch before.
    Bootstrap { epoch: u64 },
    /// Join the group that these addresses are in.
    Join { seeds: Vec<String> },
    /// Ask again before anything is done: transactions that the group does not have stand here.
    Doubt { errant: GtidSet },
    /// Nothing, for a reason.
    Wait(&'static str),
}

/// What a peer says, and since when it can hold.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) facts: MemberFacts,
    /// The server said so at this time or later.
    pub(super) since: Instant,
}

impl Answer {
    /// An answer whose facts were as old as they say when it was asked for.
    pub(super) fn of(answer: peers::Answer<MemberFacts>) -> Option<Self> {
        let peers::Answer { facts, asked } = answer;
        let since = asked.checked_sub(Duration::from_millis(facts.age_ms))?;
        Some(Self { facts, since })
    }
}

/// All that counts for a server outside of any group.
pub(super) struct Outside<'a> {
    /// The member's name.
    pub(super) member: &'a str,
    /// The group it shall belong to.
    pub(super) group_id: Uuid,
    /// What stands beside its data.
    pub(super) record: &'a Record,
    /// What it says of itself.
    pub(super) server: &'a ServerFacts,
    /// It has been outside, with these transactions, since this time at the latest.
    pub(super) since: Instant,
    /// What the peers say.
    pub(super) peers: &'a [Answer],
    /// The intent, if one was read.
    pub(super) intent: Option<&'a Intent>,
}

impl Outside<'_> {
    /// Decides. A group that exists is always joined, even when an intent says to make one: the
    /// intent may be older than the group.
    pub(super) fn next(&self) -> Step {
        let group: Vec<&Answer> = self.group().collect();
        if group.is_empty() {
            return self.alone();
        }
        let has = group
            .iter()
            .filter_map(|answer| answer.facts.server.as_ref())
            .fold(GtidSet::default(), |all, server| all.union(&server.has()));
        if !has.contains(&self.server.executed) {
            // Peers may have spoken before they received the last transactions that we carried out.
            let later = group.iter().any(|answer| answer.since > self.since);
            return if later {
                Step::Doubt {
                    errant: self.server.executed.clone(),
                }
            } else {
                Step::Wait("the group has not yet told what it has")
            };
        }
        let primary = group.iter().any(|answer| {
            answer
                .facts
                .server
                .as_ref()
                .is_some_and(ServerFacts::is_primary)
        });
        if !primary {
            return Step::Wait("the group has no primary at the moment");
        }
        Step::Join {
            seeds: group
                .iter()
                .map(|answer| answer.facts.address.clone())
                .collect(),
        }
    }

    /// Peers that take part in our group.
    fn group(&self) -> impl Iterator<Item = &Answer> {
        self.peers.iter().filter(|answer| {
            answer.facts.group_id == self.group_id
                && answer
                    .facts
                    .server
                    .as_ref()
                    .is_some_and(ServerFacts::is_online)
        })
    }

    /// No group can be seen: only an intent that names exactly this volume makes one.
    fn alone(&self) -> Step {
        let in_some_group = self.peers.iter().any(|answer| {
            answer.facts.server.as_ref().is_some_and(|server| {
                server.is_in_group() && server.state() != MemberState::Offline
            })
        });
        let Some(intent) = self.intent else {
            return Step::Wait("there is no group, and no intent to make one");
        };
        if intent.member != self.member {
            return Step::Wait("another member shall make the group");
        }
        if intent.server_id != self.server.server_id {
            return Step::Wait("the intent speaks of a volume that is gone");
        }
        if intent.epoch <= self.record.epoch {
            return Step::Wait("the intent was carried out already");
        }
        if in_some_group {
            return Step::Wait("a peer is still in a group");
        }
        Step::Bootstrap {
            epoch: intent.epoch,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::{Duration, Instant};

    use uuid::Uuid;

    use super::{Answer, Outside, Step};
    use crate::mysql::facts::tests::server;
    use crate::mysql::facts::{MemberFacts, MemberState, Phase, Record, ServerFacts};
    use crate::mysql::intent::Intent;

    const SOURCE: &str = "11111111-2222-4333-8444-555555555555";
    const GROUP: Uuid = Uuid::from_u128(77);

    fn peer(server: ServerFacts, since: Instant) -> Answer {
        Answer {
            facts: MemberFacts {
                member: format!("m-{}", server.server_id.as_u128()),
                address: format!("198.18.0.{}:3306", server.server_id.as_u128()),
                group_id: GROUP,
                phase: Phase::Running,
                record: Record::default(),
                server: Some(server),
                age_ms: 0,
                problem: None,
                crashes: 0,
            },
            since,
        }
    }

    fn intent(epoch: u64, server_id: u128) -> Intent {
        Intent {
            epoch,
            member: "m-1".to_owned(),
            server_id: Uuid::from_u128(server_id),
            reason: String::new(),
        }
    }

    fn next(executed: &str, peers: &[Answer], intent: Option<&Intent>, since: Instant) -> Step {
        let server = server(1, executed, &[(1, MemberState::Offline, false)]);
        Outside {
            member: "m-1",
            group_id: GROUP,
            record: &Record {
                group_id: GROUP,
                epoch: 4,
                joined: true,
            },
            server: &server,
            since,
            peers,
            intent,
        }
        .next()
    }

    fn group(executed: &str, since: Instant) -> Vec<Answer> {
        let view = [
            (2, MemberState::Online, true),
            (3, MemberState::Online, false),
        ];
        vec![
            peer(server(2, executed, &view), since),
            peer(server(3, executed, &view), since),
        ]
    }

    #[test]
    fn an_intent_is_carried_out_once_and_only_for_this_volume() {
        let now = Instant::now();
        assert_eq!(
            next("", &[], Some(&intent(5, 1)), now),
            Step::Bootstrap { epoch: 5 }
        );
        assert!(matches!(
            next("", &[], Some(&intent(4, 1)), now),
            Step::Wait(_)
        ));
        assert!(matches!(
            next("", &[], Some(&intent(5, 9)), now),
            Step::Wait(_)
        ));
        assert!(matches!(next("", &[], None, now), Step::Wait(_)));
    }

    #[test]
    fn a_group_that_exists_is_joined_whatever_the_intent_says() {
        let now = Instant::now();
        let peers = group(&format!("{SOURCE}:1-9"), now);
        let step = next(&format!("{SOURCE}:1-5"), &peers, Some(&intent(5, 1)), now);
        let seeds = vec!["198.18.0.2:3306".to_owned(), "198.18.0.3:3306".to_owned()];
        assert_eq!(step, Step::Join { seeds });
    }

    #[test]
    fn no_group_is_made_while_a_peer_is_still_in_one() {
        let now = Instant::now();
        let view = [
            (2, MemberState::Online, true),
            (1, MemberState::Unreachable, false),
            (3, MemberState::Unreachable, false),
        ];
        let cut = [peer(server(2, "", &view), now)];
        assert!(matches!(
            next("", &cut, Some(&intent(5, 1)), now),
            Step::Wait(_)
        ));
    }

    #[test]
    fn transactions_of_ones_own_are_doubted_only_against_a_later_answer() {
        let before = Instant::now();
        let later = before + Duration::from_secs(1);
        let own = format!("{SOURCE}:1-10");
        let peers = group(&format!("{SOURCE}:1-9"), before);
        assert!(matches!(next(&own, &peers, None, later), Step::Wait(_)));
        let peers = group(&format!("{SOURCE}:1-9"), later);
        assert_eq!(
            next(&own, &peers, None, before),
            Step::Doubt {
                errant: own.parse().unwrap()
            }
        );
    }

    #[test]
    fn a_peer_of_another_group_does_not_count() {
        let now = Instant::now();
        let mut peers = group("", now);
        for peer in &mut peers {
            peer.facts.group_id = Uuid::from_u128(78);
        }
        assert!(matches!(next("", &peers, None, now), Step::Wait(_)));
    }
}
