//! Who makes a replica set of what it hears: every case of three members, and that no second set is ever made.

use proptest::prelude::*;

use super::{Step, View};
use crate::documents::mongo::facts::MemberFacts;

/// What is known of a member: nothing at all, or what its agent tells.
type Known = Option<Option<bool>>;

const EVERY: [Known; 4] = [None, Some(None), Some(Some(false)), Some(Some(true))];

fn names(members: usize) -> Vec<String> {
    (0..members).map(|member| format!("m{member}")).collect()
}

fn facts(member: usize, initiated: Option<bool>) -> MemberFacts {
    MemberFacts {
        member: format!("m{member}"),
        initiated,
        ..MemberFacts::default()
    }
}

/// What `member` does when it knows this of all.
fn step(member: usize, known: &[Known]) -> Option<Step> {
    let own = facts(member, known[member]?);
    let peers: Vec<MemberFacts> = (0..known.len())
        .filter(|peer| *peer != member)
        .filter_map(|peer| Some(facts(peer, known[peer]?)))
        .collect();
    let view = View {
        own: &own,
        peers: &peers,
        members: &names(known.len()),
    };
    Some(view.step())
}

#[test]
fn the_first_of_members_that_are_all_heard_and_empty_makes_the_set() {
    let empty = [Some(Some(false)); 3];
    assert_eq!(step(0, &empty), Some(Step::Initiate));
    assert!(matches!(step(1, &empty), Some(Step::Wait(_))));
    assert!(matches!(step(2, &empty), Some(Step::Wait(_))));
}

#[test]
fn a_single_member_makes_its_own_again_when_its_volume_was_lost() {
    assert_eq!(step(0, &[Some(Some(false))]), Some(Step::Initiate));
}

#[test]
fn a_lost_volume_waits_to_be_taken_in() {
    let known = [Some(Some(false)), Some(None), Some(Some(true))];
    let Some(Step::Wait(reason)) = step(0, &known) else {
        panic!("it must wait");
    };
    assert!(reason.contains("have data"), "{reason}");
}

#[test]
fn in_every_case_one_member_at_most_makes_a_set_and_only_where_all_are_heard_and_empty() {
    for first in EVERY {
        for second in EVERY {
            for third in EVERY {
                let known = [first, second, third];
                let makes = (0..3).filter(|member| step(*member, &known) == Some(Step::Initiate));
                let all_empty = known == [Some(Some(false)); 3];
                assert_eq!(makes.count(), usize::from(all_empty), "{known:?}");
            }
        }
    }
}

#[test]
fn facts_that_name_a_stranger_count_for_nobody() {
    let (own, stranger) = (facts(0, Some(false)), facts(7, Some(false)));
    let view = View {
        own: &own,
        peers: &[facts(1, Some(false)), stranger],
        members: &names(3),
    };
    assert!(matches!(view.step(), Step::Wait(_)));
}

proptest! {
    /// Members act, lose their volumes and are not heard for a while, in any order; a member in a set takes in one that
    /// is heard and in none. As long as one volume is left that belongs to a set, no other set is made.
    #[test]
    fn never_is_a_second_set_made(moves in prop::collection::vec((0usize..3, 0u8..4), 1..60)) {
        let mut sets: [Option<u32>; 3] = [None; 3];
        let mut heard = [true; 3];
        let mut made = 0;
        for (member, what) in moves {
            match what {
                0 => sets[member] = None,
                1 => heard[member] = !heard[member],
                2 => {
                    let set = sets.iter().zip(heard).find_map(|(set, heard)| set.filter(|_| heard));
                    if heard[member] && sets[member].is_none() { sets[member] = set; }
                }
                _ => {
                    let known: Vec<Known> = sets.iter().zip(heard)
                        .map(|(set, heard)| heard.then_some(Some(set.is_some())))
                        .collect();
                    if step(member, &known) == Some(Step::Initiate) {
                        prop_assert_eq!(sets, [None; 3]);
                        made += 1;
                        sets[member] = Some(made);
                    }
                }
            }
            let mut left: Vec<u32> = sets.iter().flatten().copied().collect();
            left.dedup();
            prop_assert!(left.len() <= 1, "{:?}", sets);
        }
    }
}
