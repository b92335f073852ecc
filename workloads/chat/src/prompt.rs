//! Builds the prompt: instructions, as much of the history as fits, and the newest message.

use chatbot_api::conversations::{MessageOut, Role};

use crate::model::{Line, Speaker};

/// Most tokens of a prompt, as estimated here: below the limits of a minute on Groq's smaller plans.
const BUDGET: usize = 16_000;

/// Tokens that each message costs besides its text.
const OVERHEAD: usize = 4;

/// Bytes of UTF-8 for one token: English has about four, other languages fewer.
const BYTES: usize = 3;

/// Puts the prompt together; the oldest messages are left out when they do not fit.
#[must_use]
pub fn build(system: Option<&str>, history: &[MessageOut], message: &MessageOut) -> Vec<Line> {
    build_within(BUDGET, system, history, message)
}

fn build_within(
    budget: usize,
    system: Option<&str>,
    history: &[MessageOut],
    message: &MessageOut,
) -> Vec<Line> {
    let system = system.filter(|text| !text.is_empty());
    let fixed = cost(&message.content) + system.map_or(0, cost);
    let mut left = budget.saturating_sub(fixed);
    let fitting = history
        .iter()
        .rev()
        .take_while(|earlier| {
            let cost = cost(&earlier.content);
            let fits = cost <= left;
            left = left.saturating_sub(cost);
            fits
        })
        .count();
    let kept = history.get(history.len() - fitting..).unwrap_or_default();
    // An answer whose question was left out would come from nowhere.
    let kept = kept
        .iter()
        .skip_while(|earlier| fitting < history.len() && earlier.role == Role::Assistant);
    system
        .map(|text| Line {
            speaker: Speaker::System,
            content: text.to_owned(),
        })
        .into_iter()
        // An answer that was stopped before its first word is no line of a conversation.
        .chain(
            kept.chain(std::iter::once(message))
                .filter(|said| !said.content.is_empty())
                .map(line),
        )
        .collect()
}

fn line(message: &MessageOut) -> Line {
    let speaker = match message.role {
        Role::User => Speaker::User,
        Role::Assistant => Speaker::Assistant,
    };
    Line {
        speaker,
        content: message.content.clone(),
    }
}

fn cost(text: &str) -> usize {
    text.len().div_ceil(BYTES) + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::{build, build_within};
    use chatbot_api::conversations::{MessageOut, Role};
    use uuid::Uuid;

    fn message(seq: u64, role: Role, content: &str) -> MessageOut {
        MessageOut {
            id: Uuid::nil(),
            conversation_id: Uuid::nil(),
            turn_id: Uuid::nil(),
            seq,
            role,
            content: content.to_owned(),
            model: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn texts(lines: &[crate::model::Line]) -> Vec<&str> {
        lines.iter().map(|line| line.content.as_str()).collect()
    }

    #[test]
    fn the_prompt_is_instructions_history_and_the_message() {
        let history = [
            message(1, Role::User, "a"),
            message(2, Role::Assistant, "b"),
        ];
        let prompt = build(Some("be kind"), &history, &message(3, Role::User, "c"));
        assert_eq!(texts(&prompt), ["be kind", "a", "b", "c"]);
        assert_eq!(
            texts(&build(Some(""), &[], &message(1, Role::User, "c"))),
            ["c"]
        );
    }

    #[test]
    fn the_oldest_messages_are_left_out_and_no_answer_stands_first() {
        // Each costs 5: room for the message and three more, of which the first is an answer.
        let history: Vec<_> = (1..=6)
            .map(|seq| {
                message(
                    seq,
                    if seq % 2 == 1 {
                        Role::User
                    } else {
                        Role::Assistant
                    },
                    &seq.to_string(),
                )
            })
            .collect();
        let prompt = build_within(20, None, &history, &message(7, Role::User, "7"));
        assert_eq!(texts(&prompt), ["5", "6", "7"]);
    }

    #[test]
    fn the_message_itself_is_never_left_out() {
        let long = "x".repeat(100);
        let history = [message(1, Role::User, "a")];
        assert_eq!(
            texts(&build_within(
                10,
                None,
                &history,
                &message(2, Role::User, &long)
            )),
            [long.as_str()]
        );
    }
}
