//! What the members' facts mean for a person: the reason of the condition, and a sentence.

use std::collections::BTreeMap;

use super::facts::MemberFacts;
use crate::engine::members::{self, Member};
use crate::reason::Reason;

/// Who leads the quorum, as most members see it: one that was cut off believes the old leader for a while.
pub(super) fn leader(members: &[Member<MemberFacts>]) -> Option<&str> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for facts in members.iter().filter_map(|member| member.facts.as_ref()) {
        if let Some(leader) = facts.leader() {
            *votes.entry(leader).or_default() += 1;
        }
    }
    let (leader, _) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    Some(leader)
}

/// Says how they are.
pub(super) fn say(members: &[Member<MemberFacts>]) -> (Reason, String) {
    // Writes wait for two copies where there are three.
    let in_step = members.iter().filter(|member| member.in_step()).count();
    let leader = leader(members).filter(|_| in_step > members.len() / 2);
    let began = |facts: &MemberFacts| facts.server.is_some();
    members::say(members, leader, "leads", began, |missing| {
        format!("no writes are taken at the moment; not in step: {missing}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::facts::ServerFacts;

    fn member(ordinal: u8, leader: Option<u8>, behind: u32) -> Member<MemberFacts> {
        let name = |ordinal| format!("shop-kafka-{ordinal}");
        Member {
            name: name(ordinal),
            facts: Some(MemberFacts {
                member: name(ordinal),
                voter: true,
                server: leader.map(|leader| ServerFacts {
                    leader: Some(name(leader)),
                    voting: true,
                    serving: true,
                    behind,
                }),
                ..MemberFacts::default()
            }),
        }
    }

    #[test]
    fn all_in_step_is_ready() {
        let members = [0, 1, 2].map(|ordinal| member(ordinal, Some(1), 0));
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::Ready);
        assert_eq!(message, "shop-kafka-1 leads, 3 of 3 members are in step");
    }

    #[test]
    fn one_that_is_behind_or_silent_is_named_and_two_are_no_writes() {
        let silent = |ordinal| Member {
            facts: None,
            ..member(ordinal, None, 0)
        };
        let members = [
            member(0, Some(0), 0),
            member(1, Some(0), 0),
            member(2, Some(0), 4),
        ];
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::Degraded);
        assert_eq!(message, "shop-kafka-0 leads; not in step: shop-kafka-2");
        let members = [member(0, Some(0), 0), silent(1), silent(2)];
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::NoPrimary);
        assert!(message.ends_with("shop-kafka-1, shop-kafka-2"));
    }

    #[test]
    fn one_that_was_cut_off_is_not_believed() {
        let members = [
            member(0, Some(0), 0),
            member(1, Some(2), 0),
            member(2, Some(2), 0),
        ];
        assert_eq!(leader(&members), Some("shop-kafka-2"));
    }

    #[test]
    fn before_a_server_answers_it_starts() {
        let fresh = |ordinal| Member {
            facts: Some(MemberFacts::default()),
            ..member(ordinal, None, 0)
        };
        assert_eq!(say(&[0, 1, 2].map(fresh)).0, Reason::Starting);
    }
}
