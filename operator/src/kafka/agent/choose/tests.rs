//! Which quorum members make of what they hear: each case, and that two never both have a majority.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Step, View, kafka_id};
use crate::kafka::facts::{Cluster, MemberFacts, ServerFacts};

fn empty(member: usize, directory: &str) -> MemberFacts {
    MemberFacts {
        member: format!("k{member}"),
        directory: directory.to_owned(),
        ..MemberFacts::default()
    }
}

fn cluster(directories: [&str; 3]) -> Cluster {
    let first = directories.iter().enumerate();
    Cluster::of(
        first
            .map(|(member, directory)| (format!("k{member}"), (*directory).to_owned()))
            .collect(),
    )
}

fn voter(member: usize, directory: &str, of: &Cluster) -> MemberFacts {
    MemberFacts {
        cluster: Some(of.clone()),
        voter: true,
        ..empty(member, directory)
    }
}

fn led(mut facts: MemberFacts) -> MemberFacts {
    facts.server = Some(ServerFacts {
        leader: Some("k0".to_owned()),
        ..ServerFacts::default()
    });
    facts
}

fn step(own: &MemberFacts, peers: &[MemberFacts]) -> Step {
    View {
        own,
        peers,
        members: 3,
    }
    .step()
}

#[test]
fn empty_members_that_hear_each_other_make_the_same_cluster() {
    let all = [empty(0, "a"), empty(1, "b"), empty(2, "c")];
    let wanted = Step::First(cluster(["a", "b", "c"]));
    assert_eq!(step(&all[0], &all[1..]), wanted);
    assert_eq!(step(&all[2], &all[..2]), wanted);
}

#[test]
fn an_empty_member_waits_until_all_were_heard() {
    assert!(matches!(
        step(&empty(0, "a"), &[empty(1, "b")]),
        Step::Wait(_)
    ));
}

#[test]
fn a_member_of_the_first_quorum_follows_the_one_that_was_formatted_before() {
    let made = cluster(["a", "b", "c"]);
    let first = voter(0, "a", &made);
    assert_eq!(step(&empty(1, "b"), &[first]), Step::First(made));
}

#[test]
fn the_first_that_is_formatted_stays_so_while_the_others_are_about_to_be() {
    let made = cluster(["a", "b", "c"]);
    let others = [empty(1, "b"), empty(2, "c")];
    assert_eq!(step(&voter(0, "a", &made), &others), Step::Run);
}

#[test]
fn a_lost_volume_joins_those_that_have_a_leader_and_waits_where_there_is_none() {
    let made = cluster(["a", "b", "c"]);
    let own = empty(2, "new");
    let peers = [voter(0, "a", &made), voter(1, "b", &made)];
    assert!(matches!(step(&own, &peers), Step::Wait(_)));
    let peers = peers.map(led);
    assert_eq!(step(&own, &peers), Step::Join(made));
}

#[test]
fn a_voter_whose_others_lost_their_volumes_gives_up() {
    let made = cluster(["a", "b", "c"]);
    let own = voter(0, "a", &made);
    assert!(matches!(
        step(&own, &[empty(1, "x"), empty(2, "y")]),
        Step::Empty(_)
    ));
    // One that is not heard may remember.
    assert_eq!(step(&own, &[empty(1, "x")]), Step::Run);
    let peers = [empty(1, "x"), voter(2, "c", &made)];
    assert_eq!(step(&own, &peers), Step::Run);
}

#[test]
fn a_voter_of_a_cluster_that_never_came_to_be_goes_over_to_the_one_that_works() {
    let own = voter(0, "a", &cluster(["a", "b", "c"]));
    let works = cluster(["a", "b", "new"]);
    let peers = [led(voter(1, "b", &works)), led(voter(2, "new", &works))];
    assert!(matches!(step(&own, &peers), Step::Empty(_)));
}

#[test]
fn a_single_member_begins_again_when_its_volume_was_lost() {
    let own = empty(0, "a");
    let view = View {
        own: &own,
        peers: &[],
        members: 1,
    };
    assert!(matches!(view.step(), Step::First(_)));
}

proptest! {
    /// Members format at different moments while volumes are lost: whatever they do, a directory votes in one
    /// cluster only, so two clusters never both have a majority.
    #[test]
    fn never_have_two_clusters_a_majority(moves in prop::collection::vec((0usize..3, any::<bool>()), 1..40)) {
        let mut next = 0;
        let mut fresh = || { next += 1; format!("d{next}") };
        let mut all: Vec<MemberFacts> = (0..3).map(|member| empty(member, &fresh())).collect();
        for (member, lost) in moves {
            if lost {
                all[member] = empty(member, &fresh());
                continue;
            }
            let own = all[member].clone();
            let peers: Vec<MemberFacts> = all.iter().filter(|facts| facts.member != own.member).cloned().collect();
            match step(&own, &peers) {
                Step::First(of) => {
                    prop_assert_eq!(of.first.get(&own.member), Some(&own.directory));
                    all[member] = voter(member, &own.directory, &of);
                }
                Step::Empty(_) => all[member] = empty(member, &fresh()),
                Step::Run | Step::Join(_) | Step::Wait(_) => {}
            }
            let mut majorities = BTreeMap::new();
            for facts in &all {
                if let Some(of) = &facts.cluster {
                    *majorities.entry(of.id.clone()).or_insert(0) += 1;
                }
            }
            prop_assert!(majorities.values().filter(|count| **count >= 2).count() <= 1);
        }
    }

    #[test]
    fn an_id_is_what_kafka_writes(bytes in any::<[u8; 16]>()) {
        let id = kafka_id(bytes);
        prop_assert_eq!(id.len(), 22);
        prop_assert!(!id.starts_with('-'));
    }
}
