//! What a verdict means for a person: the reason of the condition, and a sentence.

use super::decide::{Action, Situation, State, TRUST, Verdict};
use crate::reason::Reason;

/// Says it, and what the members' agents complain about.
pub(super) fn say(verdict: &Verdict, situation: &Situation) -> (Reason, String) {
    let (reason, mut message) = sentence(verdict, situation);
    for facts in situation
        .members
        .iter()
        .filter_map(|member| member.facts.as_ref())
    {
        if let Some(problem) = &facts.problem {
            message.push_str(&format!("; {}: {problem}", facts.member));
        }
    }
    (reason, message)
}

fn sentence(verdict: &Verdict, situation: &Situation) -> (Reason, String) {
    let all = situation.members.len();
    let list = |names: &[String]| names.join(", ");
    let trust = |epoch: u64, member: &str| {
        format!(
            "annotate the ChatbotDeployment with {TRUST}={member}:{}",
            epoch + 1
        )
    };
    match &verdict.state {
        State::Healthy { primary } => {
            if let Some(Action::Restart(member)) = &verdict.action {
                return (
                    Reason::RollingOut,
                    format!("{primary} takes writes; {member} is being restarted"),
                );
            }
            let outdated = situation
                .members
                .iter()
                .filter(|member| member.pod.is_some_and(|pod| !pod.current))
                .count();
            if outdated > 0 {
                return (
                    Reason::RollingOut,
                    format!(
                        "{primary} takes writes; {outdated} of {all} members have yet to be restarted"
                    ),
                );
            }
            (
                Reason::Ready,
                format!("{primary} takes writes, {all} of {all} members are online"),
            )
        }
        State::Degraded { primary, missing } => {
            let newcomers = situation
                .members
                .iter()
                .filter(|member| missing.contains(&member.name))
                .all(|member| {
                    member
                        .facts
                        .as_ref()
                        .is_some_and(|facts| !facts.record.joined)
                });
            let reason = if newcomers {
                Reason::Recovering
            } else {
                Reason::Degraded
            };
            (
                reason,
                format!("{primary} takes writes; not online: {}", list(missing)),
            )
        }
        State::Starting { missing } => (
            Reason::Starting,
            format!("waiting for {} to start", list(missing)),
        ),
        State::Forming { member } => (Reason::Bootstrapping, format!("{member} makes the group")),
        State::Electing => (
            Reason::NoPrimary,
            "the group chooses its primary".to_owned(),
        ),
        State::NoQuorum { members } => (
            Reason::NoPrimary,
            format!(
                "{} cannot reach a majority and take no writes: they let go within seconds",
                list(members)
            ),
        ),
        State::FullOutage { member } => (
            Reason::NoPrimary,
            format!("no member was in a group; {member} makes it anew"),
        ),
        State::Uncertain { missing, epoch } => (
            Reason::NoPrimary,
            format!(
                "no member is in a group, and {} cannot be heard, which may have acknowledged writes that the others lack: \
                 bring it back; or, if it is lost for good, {}",
                list(missing),
                trust(*epoch, "<member>")
            ),
        ),
        State::Diverged { members, epoch } => (
            Reason::HumanDecisionNeeded,
            format!(
                "none of {} has all transactions of the others: choose whose data counts and {}; the others' data is set aside",
                list(members),
                trust(*epoch, "<member>")
            ),
        ),
        State::Emptied { epoch } => (
            Reason::HumanDecisionNeeded,
            format!(
                "a group was made before (epoch {epoch}), and all volumes are empty: bring the volumes back; or, to begin anew without the data, {}",
                situation
                    .members
                    .first()
                    .map_or_else(String::new, |first| trust(*epoch, &first.name))
            ),
        ),
        State::SplitBrain { primaries } => (
            Reason::HumanDecisionNeeded,
            format!(
                "{} take writes in different groups: nothing is touched; stop all but one",
                list(primaries)
            ),
        ),
        State::Foreign { members } => (
            Reason::IdentityMissing,
            format!(
                "the volumes of {} belong to another group than the identity Secret names: bring back the Secret that belongs to them, or remove the volumes",
                list(members)
            ),
        ),
    }
}
