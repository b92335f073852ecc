//! Decides which primary a Sentinel without a memory watches, and how a server may start: pure, from what the
//! members tell.
//!
//! An empty member never becomes primary while another may have data: Redis would copy the emptiness to
//! all (seen: a primary that comes back with an empty volume before it is missed). So an empty server is not
//! started while the Sentinels name it, until they have named another; and a replica whose first copy is
//! not complete has priority 0, which no Sentinel promotes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::redis::facts::MemberFacts;

/// What counts for the choice.
pub(super) struct View<'a> {
    /// This member.
    pub(super) own: &'a MemberFacts,
    /// The other members that answer.
    pub(super) peers: &'a [MemberFacts],
    /// How many members there are in all.
    pub(super) members: usize,
}

/// How a server may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// As primary.
    Primary,
    /// As replica of the member with this address.
    Replica(IpAddr),
    /// Not yet, for a reason.
    Wait(&'static str),
}

impl View<'_> {
    /// The primary that a Sentinel without a memory watches: what other Sentinels name, or else, when every
    /// member was heard and none has a Sentinel yet, the one with most data.
    pub(super) fn first_watched(&self) -> Option<IpAddr> {
        let named = self.peers.iter().filter_map(|peer| peer.watched);
        if let Some((named, _)) = most_frequent(named) {
            return Some(named);
        }
        if !self.all_heard() {
            return None;
        }
        self.all()
            .max_by_key(|member| {
                let offset = member.server.map_or(0, |server| server.offset);
                (
                    member.seeded,
                    member.is_primary(),
                    offset,
                    Reverse(&member.member),
                )
            })
            .and_then(|member| member.address)
    }

    /// How this member's server may start.
    pub(super) fn start(&self) -> Start {
        if self.members == 1 {
            return Start::Primary;
        }
        let Some(address) = self.own.address else {
            return Start::Wait("its Service has no address yet");
        };
        let Some(primary) = self.agreed() else {
            return Start::Wait("the Sentinels do not agree on a primary yet");
        };
        if primary != address {
            return Start::Replica(primary);
        }
        let nobody_has_data = self.all_heard()
            && self
                .peers
                .iter()
                .all(|peer| !peer.seeded && !peer.is_primary());
        if self.own.seeded || nobody_has_data {
            Start::Primary
        } else {
            Start::Wait("it is empty, and another member may have data: that one becomes primary")
        }
    }

    /// The primary that a majority of all Sentinels names.
    fn agreed(&self) -> Option<IpAddr> {
        let (named, votes) = most_frequent(self.all().filter_map(|member| member.watched))?;
        (votes > self.members / 2).then_some(named)
    }

    fn all(&self) -> impl Iterator<Item = &MemberFacts> {
        std::iter::once(self.own).chain(self.peers)
    }

    fn all_heard(&self) -> bool {
        self.peers.len() + 1 == self.members && self.all().all(|member| member.address.is_some())
    }
}

/// The address that is named most often, and how often.
fn most_frequent(addresses: impl Iterator<Item = IpAddr>) -> Option<(IpAddr, usize)> {
    let mut votes: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for address in addresses {
        *votes.entry(address).or_default() += 1;
    }
    votes
        .into_iter()
        .max_by_key(|(address, votes)| (*votes, Reverse(*address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::facts::{Role, ServerFacts};

    fn address(ordinal: u8) -> IpAddr {
        IpAddr::from([198, 18, 0, ordinal])
    }

    fn member(ordinal: u8) -> MemberFacts {
        MemberFacts {
            member: format!("m-{ordinal}"),
            address: Some(address(ordinal)),
            ..MemberFacts::default()
        }
    }

    fn seeded(ordinal: u8) -> MemberFacts {
        MemberFacts {
            seeded: true,
            ..member(ordinal)
        }
    }

    fn naming(member: MemberFacts, primary: u8) -> MemberFacts {
        MemberFacts {
            watched: Some(address(primary)),
            ..member
        }
    }

    fn running(member: MemberFacts, role: Role, offset: u64) -> MemberFacts {
        let server = ServerFacts {
            role,
            in_step: true,
            offset,
        };
        MemberFacts {
            server: Some(server),
            ..member
        }
    }

    fn first_watched(own: &MemberFacts, peers: &[MemberFacts]) -> Option<IpAddr> {
        View {
            own,
            peers,
            members: 3,
        }
        .first_watched()
    }

    fn start(own: &MemberFacts, peers: &[MemberFacts]) -> Start {
        View {
            own,
            peers,
            members: 3,
        }
        .start()
    }

    #[test]
    fn on_three_empty_volumes_all_choose_the_first() {
        let all = [member(0), member(1), member(2)];
        assert_eq!(first_watched(&all[2], &all[..2]), Some(address(0)));
        assert_eq!(first_watched(&all[0], &all[1..]), Some(address(0)));
    }

    #[test]
    fn a_new_sentinel_watches_what_the_others_watch() {
        let peers = [naming(seeded(1), 2), naming(seeded(2), 2)];
        assert_eq!(first_watched(&member(0), &peers), Some(address(2)));
        assert_eq!(first_watched(&member(0), &peers[..1]), Some(address(2)));
    }

    #[test]
    fn without_any_sentinel_the_member_with_most_data_counts() {
        let alone = running(seeded(1), Role::Primary, 10);
        assert_eq!(
            first_watched(&member(0), &[alone, member(2)]),
            Some(address(1))
        );
        let peers = [
            running(seeded(1), Role::Replica, 10),
            running(seeded(2), Role::Replica, 20),
        ];
        assert_eq!(first_watched(&seeded(0), &peers), Some(address(2)));
    }

    #[test]
    fn without_any_sentinel_a_member_that_is_not_heard_is_waited_for() {
        assert_eq!(first_watched(&seeded(0), &[seeded(1)]), None);
    }

    #[test]
    fn a_member_alone_is_primary() {
        let own = MemberFacts::default();
        let view = View {
            own: &own,
            peers: &[],
            members: 1,
        };
        assert_eq!(view.start(), Start::Primary);
    }

    #[test]
    fn a_majority_of_all_sentinels_must_name_the_same() {
        let own = naming(seeded(0), 1);
        assert!(matches!(start(&own, &[]), Start::Wait(_)));
        assert!(matches!(
            start(&own, &[naming(seeded(1), 2)]),
            Start::Wait(_)
        ));
        let peers = [naming(seeded(1), 1)];
        assert_eq!(start(&own, &peers), Start::Replica(address(1)));
    }

    #[test]
    fn an_empty_member_is_no_primary_while_another_may_have_data() {
        let own = naming(member(0), 0);
        let empty = [naming(member(1), 0), naming(member(2), 0)];
        assert_eq!(start(&own, &empty), Start::Primary);
        // One that cannot be heard may have data.
        assert!(matches!(start(&own, &empty[..1]), Start::Wait(_)));
        let full = [naming(seeded(1), 0), naming(member(2), 0)];
        assert!(matches!(start(&own, &full), Start::Wait(_)));
        assert_eq!(start(&naming(seeded(0), 0), &full[..1]), Start::Primary);
    }
}
