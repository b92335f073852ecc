//! What the members' facts mean for a person: the reason of the condition, and a sentence.

use std::net::IpAddr;

use super::facts::MemberFacts;
use crate::engine::members::{self, Member};
use crate::reason::Reason;

/// The primary: of those that call themselves so, the one that most Sentinels name. One that was cut off calls
/// itself primary until it hears of the other.
pub(super) fn primary(members: &[Member<MemberFacts>]) -> Option<&Member<MemberFacts>> {
    let heard = || members.iter().filter_map(|member| member.facts.as_ref());
    let votes = |address: Option<IpAddr>| heard().filter(|facts| facts.watched == address).count();
    members
        .iter()
        .filter(|member| member.facts.as_ref().is_some_and(MemberFacts::is_primary))
        .max_by_key(|member| {
            member
                .facts
                .as_ref()
                .map_or(0, |facts| votes(facts.address))
        })
}

/// Says how they are.
pub(super) fn say(members: &[Member<MemberFacts>]) -> (Reason, String) {
    let leader = primary(members).map(|member| member.name.as_str());
    let choosing = "no member takes writes at the moment: the Sentinels are choosing one";
    let began = |facts: &MemberFacts| facts.seeded;
    members::say(members, leader, "takes writes", began, |_| {
        choosing.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::facts::{Role, ServerFacts};

    fn member(ordinal: u8, role: Option<(Role, bool)>, watched: u8) -> Member<MemberFacts> {
        let address = |ordinal| Some(IpAddr::from([198, 18, 0, ordinal]));
        let name = format!("shop-redis-{ordinal}");
        Member {
            facts: Some(MemberFacts {
                member: name.clone(),
                address: address(ordinal),
                seeded: role.is_some(),
                server: role.map(|(role, in_step)| ServerFacts {
                    role,
                    in_step,
                    offset: 1,
                }),
                watched: address(watched),
                ..MemberFacts::default()
            }),
            name,
        }
    }

    const PRIMARY: Option<(Role, bool)> = Some((Role::Primary, true));
    const REPLICA: Option<(Role, bool)> = Some((Role::Replica, true));

    #[test]
    fn all_in_step_is_ready() {
        let members = [
            member(0, REPLICA, 1),
            member(1, PRIMARY, 1),
            member(2, REPLICA, 1),
        ];
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::Ready);
        assert_eq!(
            message,
            "shop-redis-1 takes writes, 3 of 3 members are in step"
        );
    }

    #[test]
    fn a_primary_that_was_cut_off_is_not_believed() {
        let members = [
            member(0, PRIMARY, 0),
            member(1, PRIMARY, 1),
            member(2, REPLICA, 1),
        ];
        assert!(primary(&members).is_some_and(|primary| primary.name == "shop-redis-1"));
    }

    #[test]
    fn a_member_that_is_missing_is_named() {
        let silent = Member {
            name: "shop-redis-2".to_owned(),
            facts: None,
        };
        let syncing = Some((Role::Replica, false));
        let members = [member(0, PRIMARY, 0), member(1, syncing, 0), silent];
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::Degraded);
        assert_eq!(
            message,
            "shop-redis-0 takes writes; not in step: shop-redis-1, shop-redis-2"
        );
    }

    #[test]
    fn without_a_primary_it_starts_or_chooses_one() {
        let fresh = [member(0, None, 0), member(1, None, 0)];
        assert_eq!(say(&fresh).0, Reason::Starting);
        let members = [member(0, None, 0), member(1, REPLICA, 0)];
        assert_eq!(say(&members).0, Reason::NoPrimary);
    }
}
