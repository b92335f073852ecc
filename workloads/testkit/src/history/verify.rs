//! Compares what was acknowledged with what can be read. Pure, so that it is tested on histories
//! that are wrong in every way.

use std::collections::HashMap;

use chatbot_api::conversations::{MessageOut, Role};
use uuid::Uuid;

use super::read::Readable;
use super::{History, Sent, UserHistory};

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// An acknowledged message or answer cannot be read.
    Lost(String),
    /// A message can be read more than once.
    Doubled(String),
    /// A message is not where, or not as, it was acknowledged.
    Changed(String),
    /// Messages of one client stand in another order than it sent them.
    Reordered(String),
    /// A refused message can be read, or a deleted conversation.
    Resurrected(String),
    /// A message can be read that nobody sent.
    Invented(String),
    /// The `seq` of a conversation does not run from 1 without gaps.
    Gap(Uuid),
}

/// Compares; no violation means that every promise was kept.
#[must_use]
pub fn verify(history: &History, readable: &[Readable]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let nothing = Readable::default();
    for (number, user) in history.users.iter().enumerate() {
        of_user(
            user,
            readable.get(number).unwrap_or(&nothing),
            &mut violations,
        );
    }
    violations
}

fn of_user(user: &UserHistory, readable: &Readable, violations: &mut Vec<Violation>) {
    let mut by_text: HashMap<&str, Vec<&MessageOut>> = HashMap::new();
    let mut answers: HashMap<Uuid, Vec<&MessageOut>> = HashMap::new();
    for (id, messages) in &readable.conversations {
        if user.deleted.contains(id) {
            violations.push(Violation::Resurrected(format!(
                "the deleted conversation {id}"
            )));
        }
        if messages
            .iter()
            .enumerate()
            .any(|(place, message)| usize::try_from(message.seq) != Ok(place + 1))
        {
            violations.push(Violation::Gap(*id));
        }
        for message in messages {
            match message.role {
                Role::User => by_text.entry(&message.content).or_default().push(message),
                Role::Assistant => answers.entry(message.turn_id).or_default().push(message),
            }
        }
    }

    let mut last_seq: HashMap<Uuid, u64> = HashMap::new();
    for sent in &user.messages {
        let found = by_text.remove(sent.text.as_str()).unwrap_or_default();
        let gone = |id: Uuid| user.deleted.contains(&id) || user.deletion_unknown.contains(&id);
        if sent
            .accepted
            .as_ref()
            .is_some_and(|(_, message)| gone(message.conversation_id))
            || sent.conversation.is_some_and(gone)
        {
            // Its conversation's own check covers it.
            continue;
        }
        one(sent, &found, &answers, violations);
        if let [message] = found[..] {
            let last = last_seq.entry(message.conversation_id).or_default();
            if message.seq <= *last {
                violations.push(Violation::Reordered(sent.text.clone()));
            }
            *last = message.seq;
        }
    }
    for text in by_text.into_keys() {
        violations.push(Violation::Invented(text.to_owned()));
    }
    let known: Vec<Uuid> = readable
        .conversations
        .iter()
        .flat_map(|(_, messages)| messages)
        .filter(|message| message.role == Role::User)
        .map(|message| message.turn_id)
        .collect();
    for (turn, answers) in answers {
        if !known.contains(&turn) {
            violations.push(Violation::Invented(format!(
                "an answer to no message, of turn {turn}"
            )));
        }
        if answers.len() > 1 {
            violations.push(Violation::Doubled(format!("the answer of turn {turn}")));
        }
    }
}

/// One message against what was found of it.
fn one(
    sent: &Sent,
    found: &[&MessageOut],
    answers: &HashMap<Uuid, Vec<&MessageOut>>,
    violations: &mut Vec<Violation>,
) {
    if found.len() > 1 {
        violations.push(Violation::Doubled(sent.text.clone()));
    }
    if sent.refused.is_some() && sent.accepted.is_none() && !found.is_empty() {
        violations.push(Violation::Resurrected(sent.text.clone()));
    }
    let Some((_, acknowledged)) = &sent.accepted else {
        return;
    };
    let Some(message) = found.first() else {
        violations.push(Violation::Lost(sent.text.clone()));
        return;
    };
    if *message != acknowledged
        || sent
            .conversation
            .is_some_and(|id| id != message.conversation_id)
    {
        violations.push(Violation::Changed(sent.text.clone()));
    }
    let Some((_, turn)) = &sent.done else {
        return;
    };
    match answers
        .get(&turn.message.turn_id)
        .and_then(|answers| answers.first())
    {
        None => violations.push(Violation::Lost(format!("the answer to {}", sent.text))),
        Some(answer) if **answer != turn.answer || answer.seq <= message.seq => {
            violations.push(Violation::Changed(format!("the answer to {}", sent.text)));
        }
        // Every model that the checker talks to repeats what it was told.
        Some(answer) if !answer.content.contains(&sent.text) => {
            violations.push(Violation::Changed(format!(
                "the answer to {} is another message's",
                sent.text
            )));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests;
