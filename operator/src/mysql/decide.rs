//! Decides what is to be done for a group: pure, from what its members tell.
//!
//! MySQL fails over by itself while a majority lives; the operator is needed where it cannot: at
//! the first start, after a full outage, and for restarts in order. A group is made anew only from
//! a member that has everything, when every member was heard. Where that cannot be known, nothing
//! is done, and the state says who is missing or what a person has to decide.

use uuid::Uuid;

use super::facts::{MemberFacts, Phase, ServerFacts};
use super::intent::Intent;

/// Annotation of the ChatbotDeployment by which a person names the member whose data counts:
/// `<member>:<epoch>`. The epoch makes it valid for one outage only.
pub const TRUST: &str = "chatbot.rs/trust-mysql-member";

/// All that counts.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The declared members, in the order of their ordinals.
    pub members: Vec<Member>,
    /// The intent that stands.
    pub intent: Option<Intent>,
    /// What the annotation [`TRUST`] says.
    pub trust: Option<String>,
}

/// A declared member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name: its pod's.
    pub name: String,
    /// Its pod, if there is one.
    pub pod: Option<PodFact>,
    /// What its agent tells, if it answers.
    pub facts: Option<MemberFacts>,
}

/// What counts of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodFact {
    /// Whether it is as the StatefulSet now wants it.
    pub current: bool,
    /// Whether it is on its way out.
    pub terminating: bool,
    /// Whether something keeps it from running that does not pass by itself.
    pub stuck: bool,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the group is.
    pub state: State,
    /// What to do.
    pub action: Option<Action>,
}

/// How a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Every declared member is online.
    Healthy {
        /// Who takes writes.
        primary: String,
    },
    /// It takes writes; these members are not online.
    Degraded {
        /// Who takes writes.
        primary: String,
        /// Their names.
        missing: Vec<String>,
    },
    /// No group was ever made; these members have yet to say that they are empty.
    Starting {
        /// Their names.
        missing: Vec<String>,
    },
    /// The intent is being carried out.
    Forming {
        /// Its name.
        member: String,
    },
    /// A majority is there and chooses a primary.
    Electing,
    /// Members are online without a majority; they let go by themselves.
    NoQuorum {
        /// Their names.
        members: Vec<String>,
    },
    /// No member is in a group, all were heard, and this one has everything.
    FullOutage {
        /// Its name.
        member: String,
    },
    /// No member is in a group, and these cannot be heard: one of them may have more than the others.
    Uncertain {
        /// Their names.
        missing: Vec<String>,
        /// Highest epoch known.
        epoch: u64,
    },
    /// No member has everything that the others have.
    Diverged {
        /// Their names.
        members: Vec<String>,
        /// Highest epoch known.
        epoch: u64,
    },
    /// A group was made before, and every volume is empty.
    Emptied {
        /// Highest epoch known.
        epoch: u64,
    },
    /// Members of different groups take writes.
    SplitBrain {
        /// Their names.
        primaries: Vec<String>,
    },
    /// These volumes hold data of another group.
    Foreign {
        /// Their names.
        members: Vec<String>,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this intent, if the one that was read still stands.
    Write(Intent),
    /// Delete the pod of this member, so that it comes back as it is now wanted.
    Restart(String),
}

impl State {
    const fn wait(self) -> Verdict {
        Verdict {
            state: self,
            action: None,
        }
    }
}

/// Decides.
#[must_use]
pub fn decide(situation: &Situation) -> Verdict {
    let foreign = names(situation.members.iter().filter(|member| {
        member
            .facts
            .as_ref()
            .is_some_and(|facts| facts.phase == Phase::Foreign)
    }));
    if !foreign.is_empty() {
        return State::Foreign { members: foreign }.wait();
    }
    let primaries: Vec<Heard> = situation
        .heard()
        .filter(|m| m.server.is_primary())
        .collect();
    let verdict = match primaries.as_slice() {
        [] => situation.without_primary(),
        [primary] => situation.with_primary(primary),
        several => match of_one_group(several) {
            // Facts of different moments, around a change of the primary.
            true => State::Electing.wait(),
            false => State::SplitBrain {
                primaries: several.iter().map(|m| m.name.to_owned()).collect(),
            }
            .wait(),
        },
    };
    Verdict {
        action: verdict
            .action
            .clone()
            .or_else(|| situation.restart(&verdict.state)),
        ..verdict
    }
}

/// A member whose server answers.
#[derive(Clone, Copy)]
struct Heard<'a> {
    name: &'a str,
    facts: &'a MemberFacts,
    server: &'a ServerFacts,
}

impl Situation {
    fn heard(&self) -> impl Iterator<Item = Heard<'_>> {
        self.members.iter().filter_map(|member| {
            let facts = member.facts.as_ref()?;
            let server = facts.server.as_ref()?;
            Some(Heard {
                name: &member.name,
                facts,
                server,
            })
        })
    }

    fn with_primary(&self, primary: &Heard<'_>) -> Verdict {
        let missing = names(self.members.iter().filter(|member| {
            let id = member
                .facts
                .as_ref()
                .and_then(|facts| facts.server.as_ref())
                .filter(|server| server.is_online())
                .map(|server| server.server_id);
            // Both must say so: it, and the primary of it.
            !id.is_some_and(|id| {
                primary.server.view.iter().any(|seen| {
                    seen.server_id == id && seen.state == super::facts::MemberState::Online
                })
            })
        }));
        let primary = primary.name.to_owned();
        if missing.is_empty() {
            State::Healthy { primary }.wait()
        } else {
            State::Degraded { primary, missing }.wait()
        }
    }

    fn without_primary(&self) -> Verdict {
        let heard: Vec<Heard> = self.heard().collect();
        if heard.iter().any(|m| m.server.is_online()) {
            return State::Electing.wait();
        }
        let in_group: Vec<String> = heard
            .iter()
            .filter(|m| m.server.is_in_group())
            .map(|m| m.name.to_owned())
            .collect();
        if !in_group.is_empty() {
            return State::NoQuorum { members: in_group }.wait();
        }
        if let Some(entering) = self.members.iter().find(|member| {
            member
                .facts
                .as_ref()
                .is_some_and(|facts| facts.phase == Phase::Entering)
        }) {
            return State::Forming {
                member: entering.name.clone(),
            }
            .wait();
        }
        self.outage(&heard)
    }

    /// Nobody who can be heard is in a group, or on the way into one.
    fn outage(&self, heard: &[Heard<'_>]) -> Verdict {
        // They serve nobody, and the change may be what lets them: no order is to be kept here.
        let outdated = self.members.iter().find(|member| {
            member
                .pod
                .is_some_and(|pod| !pod.current && !pod.terminating)
                && heard.iter().any(|heard| heard.name == member.name)
        });
        if let Some(member) = outdated {
            return Verdict {
                state: State::Starting {
                    missing: vec![member.name.clone()],
                },
                action: Some(Action::Restart(member.name.clone())),
            };
        }
        let epoch = self.epoch();
        if let Some(intent) = &self.intent
            && self.is_pending(intent, heard)
        {
            return State::Forming {
                member: intent.member.clone(),
            }
            .wait();
        }
        if let Some(trusted) = self.trusted(heard, epoch + 1) {
            let state = State::FullOutage {
                member: trusted.name.to_owned(),
            };
            return write(
                state,
                &trusted,
                epoch + 1,
                "a person named the member to trust",
            );
        }
        let missing = names(
            self.members
                .iter()
                .filter(|member| !heard.iter().any(|heard| heard.name == member.name)),
        );
        let untouched = epoch == 0 && heard.iter().all(|m| is_fresh(m));
        if !missing.is_empty() {
            return if untouched {
                State::Starting { missing }.wait()
            } else {
                State::Uncertain { missing, epoch }.wait()
            };
        }
        if untouched {
            return first_start(heard);
        }
        recover(heard, epoch)
    }

    /// Highest epoch that anybody knows of.
    fn epoch(&self) -> u64 {
        let noted = self
            .members
            .iter()
            .filter_map(|member| Some(member.facts.as_ref()?.record.epoch));
        noted
            .chain(self.intent.as_ref().map(|intent| intent.epoch))
            .max()
            .unwrap_or(0)
    }

    /// Whether the member that the intent names can still carry it out.
    fn is_pending(&self, intent: &Intent, heard: &[Heard<'_>]) -> bool {
        heard.iter().any(|m| {
            m.name == intent.member
                && m.server.server_id == intent.server_id
                && m.facts.record.epoch < intent.epoch
        })
    }

    fn trusted<'a>(&self, heard: &[Heard<'a>], epoch: u64) -> Option<Heard<'a>> {
        let (name, of) = self.trust.as_deref()?.rsplit_once(':')?;
        (of.parse() == Ok(epoch))
            .then(|| heard.iter().find(|m| m.name == name).copied())
            .flatten()
    }

    /// The pod to restart, so that all come to be as they are now wanted: one at a time, the
    /// primary last, and none that the group needs at this moment.
    fn restart(&self, state: &State) -> Option<Action> {
        let terminating = |member: &Member| member.pod.is_some_and(|pod| pod.terminating);
        if self.members.iter().any(terminating) {
            return None;
        }
        let outdated = |member: &&Member| member.pod.is_some_and(|pod| !pod.current);
        // What cannot run as it is serves nobody: the change may be its cure.
        let stuck = self.members.iter().rev().filter(outdated).find(|member| {
            member.pod.is_some_and(|pod| pod.stuck)
                && member
                    .facts
                    .as_ref()
                    .is_none_or(|facts| facts.server.is_none())
        });
        if let Some(member) = stuck {
            return Some(Action::Restart(member.name.clone()));
        }
        let State::Healthy { primary } = state else {
            return None;
        };
        let mut outdated = self.members.iter().rev().filter(outdated).peekable();
        let last = outdated.peek().map(|member| member.name.clone());
        outdated
            .map(|member| member.name.clone())
            .find(|name| name != primary)
            .or(last)
            .map(Action::Restart)
    }
}

/// All are empty and always were: the first makes the group.
fn first_start(heard: &[Heard<'_>]) -> Verdict {
    let Some(first) = heard.first() else {
        return State::Starting {
            missing: Vec::new(),
        }
        .wait();
    };
    let state = State::Forming {
        member: first.name.to_owned(),
    };
    write(state, first, 1, "first start")
}

/// Everyone was heard: who has everything makes the group anew.
fn recover(heard: &[Heard<'_>], epoch: u64) -> Verdict {
    let nobody_joined = heard.iter().all(|m| !m.facts.record.joined);
    let attempted = heard.iter().any(|m| m.facts.record.epoch == epoch);
    if nobody_joined && heard.iter().all(|m| is_empty(m)) && !attempted {
        return State::Emptied { epoch }.wait();
    }
    let complete = heard.iter().filter(|candidate| {
        let has = candidate.server.has();
        heard.iter().all(|other| has.contains(&other.server.has()))
    });
    // Of equals, one that was a member before one that never was, then the lowest ordinal.
    let best = complete.min_by_key(|m| !m.facts.record.joined);
    match best {
        Some(best) => write(
            State::FullOutage {
                member: best.name.to_owned(),
            },
            best,
            epoch + 1,
            "full outage: it has everything that any member has",
        ),
        None => State::Diverged {
            members: heard.iter().map(|m| m.name.to_owned()).collect(),
            epoch,
        }
        .wait(),
    }
}

fn write(state: State, member: &Heard<'_>, epoch: u64, reason: &str) -> Verdict {
    Verdict {
        state,
        action: Some(Action::Write(Intent {
            epoch,
            member: member.name.to_owned(),
            server_id: member.server.server_id,
            reason: reason.to_owned(),
        })),
    }
}

fn is_empty(member: &Heard<'_>) -> bool {
    member.server.executed.is_empty() && member.server.received.is_empty()
}

fn is_fresh(member: &Heard<'_>) -> bool {
    is_empty(member) && !member.facts.record.joined
}

/// Whether primaries see each other: then they are one group, seen at different moments.
fn of_one_group(primaries: &[Heard<'_>]) -> bool {
    let sees = |a: &Heard<'_>, id: Uuid| a.server.view.iter().any(|seen| seen.server_id == id);
    primaries.iter().all(|a| {
        primaries
            .iter()
            .all(|b| sees(a, b.server.server_id) || sees(b, a.server.server_id))
    })
}

fn names<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<String> {
    members.map(|member| member.name.clone()).collect()
}

#[cfg(test)]
mod tests;
