//! Tables of situations, and properties that hold in all of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use uuid::Uuid;

use super::{Action, Member, PodFact, Situation, State, Verdict, decide};
use crate::mysql::facts::tests::server;
use crate::mysql::facts::{MemberFacts, MemberState, Phase, Record, ServerFacts};
use crate::mysql::intent::Intent;
use MemberState::{Offline, Online, Recovering, Unreachable};

const SOURCE: &str = "11111111-2222-4333-8444-555555555555";
const CURRENT: PodFact = PodFact {
    current: true,
    terminating: false,
    stuck: false,
};
const OUTDATED: PodFact = PodFact {
    current: false,
    ..CURRENT
};

/// A member with ordinal and server id `id`, which says this of itself.
fn member(id: u128, server: Option<ServerFacts>, record: (u64, bool)) -> Member {
    let name = format!("m-{id}");
    Member {
        name: name.clone(),
        pod: Some(CURRENT),
        facts: Some(MemberFacts {
            member: name,
            address: format!("198.18.0.{id}:3306"),
            group_id: Uuid::from_u128(77),
            phase: Phase::Running,
            record: Record {
                group_id: Uuid::from_u128(77),
                epoch: record.0,
                joined: record.1,
            },
            server,
            age_ms: 0,
            problem: None,
            crashes: 0,
        }),
    }
}

fn silent(id: u128) -> Member {
    Member {
        facts: None,
        ..member(id, None, (0, false))
    }
}

/// Outside of any group, with transactions 1 to `has`.
fn out(id: u128, has: u64, record: (u64, bool)) -> Member {
    let text = if has == 0 {
        String::new()
    } else {
        format!("{SOURCE}:1-{has}")
    };
    member(id, Some(server(id, &text, &[(id, Offline, false)])), record)
}

fn group(ids: &[u128], primary: u128) -> Vec<Member> {
    let view: Vec<_> = ids.iter().map(|&id| (id, Online, id == primary)).collect();
    ids.iter()
        .map(|&id| member(id, Some(server(id, "", &view)), (1, true)))
        .collect()
}

fn intent(epoch: u64, id: u128) -> Intent {
    Intent {
        epoch,
        member: format!("m-{id}"),
        server_id: Uuid::from_u128(id),
        reason: String::new(),
    }
}

fn of(members: Vec<Member>, intent: Option<Intent>) -> Verdict {
    decide(&Situation {
        members,
        intent,
        trust: None,
    })
}

fn written(verdict: &Verdict) -> Option<(u64, &str)> {
    match &verdict.action {
        Some(Action::Write(intent)) => Some((intent.epoch, &intent.member)),
        _ => None,
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_first_of_all_empty_members_makes_the_group() {
    let all = vec![
        out(0, 0, (0, false)),
        out(1, 0, (0, false)),
        out(2, 0, (0, false)),
    ];
    assert_eq!(written(&of(all, None)), Some((1, "m-0")));
}

#[test]
fn nothing_is_made_before_every_member_was_heard() {
    let some = vec![
        out(0, 0, (0, false)),
        silent(1),
        member(2, None, (0, false)),
    ];
    let verdict = of(some, None);
    assert_eq!(verdict.action, None);
    assert_eq!(
        verdict.state,
        State::Starting {
            missing: strings(&["m-1", "m-2"])
        }
    );
}

#[test]
fn an_intent_that_can_still_be_carried_out_is_waited_for() {
    let all = || {
        vec![
            out(0, 0, (0, false)),
            out(1, 0, (0, false)),
            out(2, 0, (0, false)),
        ]
    };
    let verdict = of(all(), Some(intent(1, 0)));
    assert_eq!(
        verdict,
        State::Forming {
            member: "m-0".to_owned()
        }
        .wait()
    );
    // Once it was carried out in vain, the next one is written.
    let mut failed = all();
    failed[0] = out(0, 0, (1, false));
    assert_eq!(written(&of(failed, Some(intent(1, 0)))), Some((2, "m-0")));
}

#[test]
fn a_member_that_is_entering_a_group_is_waited_for() {
    let mut all = vec![
        out(0, 5, (2, true)),
        out(1, 5, (1, true)),
        out(2, 5, (0, true)),
    ];
    all[0].facts.as_mut().unwrap().phase = Phase::Entering;
    let verdict = of(all, Some(intent(2, 0)));
    assert_eq!(
        verdict,
        State::Forming {
            member: "m-0".to_owned()
        }
        .wait()
    );
}

#[test]
fn after_a_full_outage_the_member_that_has_everything_makes_the_group() {
    let all = vec![
        out(0, 5, (1, true)),
        out(1, 9, (0, true)),
        out(2, 9, (0, true)),
    ];
    let verdict = of(all, Some(intent(1, 0)));
    assert_eq!(written(&verdict), Some((2, "m-1")));
    assert_eq!(
        verdict.state,
        State::FullOutage {
            member: "m-1".to_owned()
        }
    );
}

#[test]
fn what_was_received_and_not_yet_carried_out_counts() {
    let mut all = vec![
        out(0, 9, (1, true)),
        out(1, 5, (0, true)),
        out(2, 5, (0, true)),
    ];
    let server = all[2].facts.as_mut().unwrap().server.as_mut().unwrap();
    server.received = format!("{SOURCE}:6-12").parse().unwrap();
    assert_eq!(written(&of(all, Some(intent(1, 0)))), Some((2, "m-2")));
}

#[test]
fn a_member_that_is_not_heard_may_have_more() {
    let verdict = of(
        vec![out(0, 5, (1, true)), out(1, 5, (0, true)), silent(2)],
        Some(intent(1, 0)),
    );
    assert_eq!(
        verdict,
        State::Uncertain {
            missing: strings(&["m-2"]),
            epoch: 1
        }
        .wait()
    );
}

#[test]
fn a_person_can_name_the_member_to_trust_for_one_outage() {
    let members = || vec![out(0, 5, (1, true)), out(1, 7, (0, true)), silent(2)];
    let with = |trust: &str| {
        decide(&Situation {
            members: members(),
            intent: Some(intent(1, 0)),
            trust: Some(trust.to_owned()),
        })
    };
    assert_eq!(written(&with("m-1:2")), Some((2, "m-1")));
    for stale in ["m-1:1", "m-1", "m-2:2", "m-9:2"] {
        assert_eq!(with(stale).action, None, "{stale}");
    }
}

#[test]
fn members_that_went_apart_are_a_persons_to_decide() {
    let other = "99999999-2222-4333-8444-555555555555:1-3";
    let apart = member(1, Some(server(1, other, &[(1, Offline, false)])), (0, true));
    let verdict = of(
        vec![out(0, 5, (1, true)), apart, out(2, 4, (0, true))],
        Some(intent(1, 0)),
    );
    assert_eq!(
        verdict,
        State::Diverged {
            members: strings(&["m-0", "m-1", "m-2"]),
            epoch: 1
        }
        .wait()
    );
}

#[test]
fn volumes_that_were_emptied_are_not_taken_for_a_first_start() {
    let all = vec![
        out(0, 0, (0, false)),
        out(1, 0, (0, false)),
        out(2, 0, (0, false)),
    ];
    assert_eq!(
        of(all, Some(intent(3, 9))),
        State::Emptied { epoch: 3 }.wait()
    );
}

#[test]
fn data_of_an_earlier_deployment_is_found_again() {
    let all = vec![
        out(0, 0, (0, false)),
        out(1, 9, (4, true)),
        out(2, 8, (0, true)),
    ];
    assert_eq!(written(&of(all, None)), Some((5, "m-1")));
}

#[test]
fn a_whole_group_is_healthy_and_a_part_of_it_degraded() {
    let verdict = of(group(&[0, 1, 2], 1), None);
    assert_eq!(
        verdict,
        State::Healthy {
            primary: "m-1".to_owned()
        }
        .wait()
    );
    let mut part = group(&[0, 1], 1);
    part.push(out(2, 0, (0, false)));
    let state = State::Degraded {
        primary: "m-1".to_owned(),
        missing: strings(&["m-2"]),
    };
    assert_eq!(of(part, None), state.wait());
}

#[test]
fn a_single_member_that_grows_is_degraded_until_the_others_are_online() {
    let mut grown = group(&[0], 0);
    grown.push(silent(1));
    grown.push(out(2, 0, (0, false)));
    let state = State::Degraded {
        primary: "m-0".to_owned(),
        missing: strings(&["m-1", "m-2"]),
    };
    assert_eq!(of(grown, Some(intent(1, 0))), state.wait());
}

#[test]
fn members_without_a_majority_are_left_to_let_go() {
    let view = [
        (0, Online, true),
        (1, Unreachable, false),
        (2, Unreachable, false),
    ];
    let cut = vec![
        member(0, Some(server(0, "", &view)), (1, true)),
        silent(1),
        silent(2),
    ];
    assert_eq!(
        of(cut, Some(intent(1, 0))),
        State::NoQuorum {
            members: strings(&["m-0"])
        }
        .wait()
    );
}

#[test]
fn a_majority_without_a_primary_chooses_one() {
    let view = [(1, Online, false), (2, Online, false)];
    let both = vec![
        silent(0),
        member(1, Some(server(1, "", &view)), (0, true)),
        member(2, Some(server(2, "", &view)), (0, true)),
    ];
    assert_eq!(of(both, Some(intent(1, 0))), State::Electing.wait());
}

#[test]
fn a_member_that_still_recovers_holds_back_a_new_group() {
    let view = [(1, Recovering, false)];
    let all = vec![
        out(0, 5, (1, true)),
        member(1, Some(server(1, "", &view)), (0, true)),
        out(2, 5, (0, true)),
    ];
    assert_eq!(of(all, Some(intent(1, 0))).action, None);
}

#[test]
fn two_groups_are_touched_by_nobody() {
    let mut apart = group(&[0], 0);
    apart.extend(group(&[1, 2], 1));
    let verdict = of(apart, Some(intent(1, 0)));
    assert_eq!(
        verdict,
        State::SplitBrain {
            primaries: strings(&["m-0", "m-1"])
        }
        .wait()
    );
}

#[test]
fn a_primary_seen_twice_around_its_change_is_no_split() {
    let mut members = group(&[0, 1, 2], 0);
    members[1] = group(&[0, 1, 2], 1).remove(1);
    assert_eq!(of(members, None), State::Electing.wait());
}

#[test]
fn data_of_another_group_stops_everything() {
    let mut members = group(&[0, 1, 2], 0);
    members[2].facts.as_mut().unwrap().phase = Phase::Foreign;
    assert_eq!(
        of(members, None),
        State::Foreign {
            members: strings(&["m-2"])
        }
        .wait()
    );
}

#[test]
fn restarts_go_one_by_one_and_end_with_the_primary() {
    let restart = |outdated: &[usize], change: &dyn Fn(&mut Vec<Member>)| {
        let mut members = group(&[0, 1, 2], 1);
        for &index in outdated {
            members[index].pod = Some(OUTDATED);
        }
        change(&mut members);
        match of(members, None).action {
            Some(Action::Restart(name)) => Some(name),
            _ => None,
        }
    };
    let nothing = |_: &mut Vec<Member>| {};
    assert_eq!(restart(&[0, 1, 2], &nothing).as_deref(), Some("m-2"));
    assert_eq!(restart(&[0, 1], &nothing).as_deref(), Some("m-0"));
    assert_eq!(restart(&[1], &nothing).as_deref(), Some("m-1"));
    assert_eq!(restart(&[], &nothing), None);
    let leaving = |members: &mut Vec<Member>| {
        members[2].pod = Some(PodFact {
            terminating: true,
            ..CURRENT
        });
    };
    assert_eq!(restart(&[0, 1], &leaving), None);
    let gone = |members: &mut Vec<Member>| members[2] = silent(2);
    assert_eq!(restart(&[0, 1], &gone), None);
}

#[test]
fn a_pod_that_cannot_run_is_replaced_even_without_a_group() {
    let stuck = PodFact {
        stuck: true,
        ..OUTDATED
    };
    let mut members = vec![silent(0)];
    members[0].pod = Some(stuck);
    let verdict = of(members.clone(), Some(intent(1, 0)));
    assert_eq!(verdict.action, Some(Action::Restart("m-0".to_owned())));
    members[0].pod = Some(PodFact {
        current: true,
        ..stuck
    });
    assert_eq!(of(members, Some(intent(1, 0))).action, None);
}

#[test]
fn after_a_full_outage_outdated_pods_are_replaced_before_a_group_is_made() {
    let mut members = vec![
        out(0, 5, (1, true)),
        out(1, 5, (0, true)),
        out(2, 5, (0, true)),
    ];
    members[1].pod = Some(OUTDATED);
    let verdict = of(members.clone(), Some(intent(1, 0)));
    assert_eq!(verdict.action, Some(Action::Restart("m-1".to_owned())));
    // One that makes the group at this moment is not disturbed.
    members[0].facts.as_mut().unwrap().phase = Phase::Entering;
    assert_eq!(of(members, Some(intent(1, 0))).action, None);
}

fn any_member(id: u128) -> impl Strategy<Value = Member> {
    let view = prop::collection::vec(
        (
            0..3_u128,
            prop_oneof![
                Just(Online),
                Just(Recovering),
                Just(Unreachable),
                Just(MemberState::Error),
                Just(Offline)
            ],
            any::<bool>(),
        ),
        0..4,
    );
    let said = (0..3_u64, 0..3_u64, view).prop_map(move |(a, b, view)| {
        let set = match (a, b) {
            (0, 0) => String::new(),
            (a, 0) => format!("{SOURCE}:1-{a}"),
            (0, b) => format!("99999999-2222-4333-8444-555555555555:1-{b}"),
            (a, b) => format!("{SOURCE}:1-{a},99999999-2222-4333-8444-555555555555:1-{b}"),
        };
        server(id, &set, &view)
    });
    let phase = prop_oneof![
        4 => Just(Phase::Running), 1 => Just(Phase::Entering), 1 => Just(Phase::Foreign), 1 => Just(Phase::Preparing)
    ];
    let pod =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(current, terminating, stuck)| {
            PodFact {
                current,
                terminating,
                stuck,
            }
        });
    (
        prop::option::weighted(0.8, prop::option::weighted(0.9, said)),
        (0..3_u64, any::<bool>()),
        phase,
        prop::option::of(pod),
    )
        .prop_map(move |(facts, record, phase, pod)| {
            let mut made = member(id, facts.clone().flatten(), record);
            made.pod = pod;
            match facts {
                None => made.facts = None,
                Some(_) => made.facts.as_mut().unwrap().phase = phase,
            }
            made
        })
}

proptest! {
    #[test]
    fn an_intent_is_written_only_when_it_can_lose_nothing(
        members in (any_member(0), any_member(1), any_member(2)).prop_map(|(a, b, c)| vec![a, b, c]),
        old in prop::option::of((1..4_u64, 0..3_u128)),
    ) {
        let old = old.map(|(epoch, id)| intent(epoch, id));
        let verdict = of(members.clone(), old.clone());
        if let Some(Action::Write(new)) = &verdict.action {
            // Everyone was heard, nobody is in a group or entering one.
            let servers: Vec<&ServerFacts> = members
                .iter()
                .map(|member| member.facts.as_ref().unwrap().server.as_ref().unwrap())
                .collect();
            assert!(servers.iter().all(|server| !server.is_in_group()));
            assert!(members.iter().all(|m| m.facts.as_ref().unwrap().phase != Phase::Entering));
            // The one that is named has everything.
            let named = servers.iter().find(|server| server.server_id == new.server_id).unwrap();
            assert!(servers.iter().all(|server| named.has().contains(&server.has())));
            // The epoch is one that nobody has seen.
            assert!(members.iter().all(|m| m.facts.as_ref().unwrap().record.epoch < new.epoch));
            assert!(old.is_none_or(|old| old.epoch < new.epoch));
        }
    }

    #[test]
    fn a_member_of_a_group_is_restarted_only_when_the_group_is_whole(
        members in (any_member(0), any_member(1), any_member(2)).prop_map(|(a, b, c)| vec![a, b, c]),
    ) {
        let verdict = of(members.clone(), None);
        if let Some(Action::Restart(name)) = &verdict.action {
            let member = members.iter().find(|member| member.name == *name).unwrap();
            assert!(!member.pod.unwrap().current);
            let server = member.facts.as_ref().and_then(|facts| facts.server.as_ref());
            let healthy = matches!(verdict.state, State::Healthy { .. });
            assert!(healthy || !server.is_some_and(ServerFacts::is_in_group));
            let leaving = members.iter().any(|member| member.pod.is_some_and(|pod| pod.terminating));
            assert!(!healthy || !leaving);
        }
    }
}
