//! What the members' facts mean for a person: the reason of the condition, and a sentence.

use super::facts::MemberFacts;
use crate::engine::members::{self, Member};
use crate::reason::Reason;

/// The primary: of those that call themselves so, the one of the latest term. One that was cut off calls itself
/// primary until it notices.
pub(super) fn primary(members: &[Member<MemberFacts>]) -> Option<&Member<MemberFacts>> {
    let facts = |member: &&Member<MemberFacts>| member.facts.clone();
    members
        .iter()
        .filter(|member| facts(member).is_some_and(|facts| facts.is_primary()))
        .max_by_key(|member| facts(member)?.server.map(|server| server.term))
}

/// Says how they are.
pub(super) fn say(members: &[Member<MemberFacts>]) -> (Reason, String) {
    let leader = primary(members).map(|member| member.name.as_str());
    let choosing = "no member takes writes at the moment: the members are choosing one";
    let began = |facts: &MemberFacts| facts.initiated == Some(true);
    members::say(members, leader, "takes writes", began, |_| {
        choosing.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::mongo::facts::{ServerFacts, State};

    fn member(ordinal: u8, server: Option<(State, i64)>) -> Member<MemberFacts> {
        let name = format!("shop-documents-{ordinal}");
        Member {
            facts: Some(MemberFacts {
                member: name.clone(),
                initiated: server.map(|_| true),
                declared: true,
                server: server.map(|(state, term)| ServerFacts {
                    state,
                    behind: Some(0),
                    term,
                }),
                ..MemberFacts::default()
            }),
            name,
        }
    }

    #[test]
    fn all_in_step_is_ready() {
        let members = [
            member(0, Some((State::Secondary, 1))),
            member(1, Some((State::Primary, 1))),
        ];
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::Ready);
        assert_eq!(
            message,
            "shop-documents-1 takes writes, 2 of 2 members are in step"
        );
    }

    #[test]
    fn a_primary_that_was_cut_off_is_not_believed() {
        let members = [
            member(0, Some((State::Primary, 3))),
            member(1, Some((State::Primary, 4))),
        ];
        assert!(primary(&members).is_some_and(|primary| primary.name == "shop-documents-1"));
    }

    #[test]
    fn members_that_are_missing_are_named() {
        let silent = Member {
            facts: None,
            ..member(2, None)
        };
        let members = [
            member(0, Some((State::Primary, 1))),
            member(1, Some((State::Startup2, 1))),
            silent,
        ];
        let (reason, message) = say(&members);
        assert_eq!(reason, Reason::Degraded);
        assert_eq!(
            message,
            "shop-documents-0 takes writes; not in step: shop-documents-1, shop-documents-2"
        );
    }

    #[test]
    fn without_a_primary_it_starts_or_chooses_one() {
        let fresh = [member(0, None), member(1, None)];
        assert_eq!(say(&fresh).0, Reason::Starting);
        let members = [member(0, Some((State::Secondary, 1))), member(1, None)];
        assert_eq!(say(&members).0, Reason::NoPrimary);
    }
}
