//! The events that storage tells: their topics and the form that every consumer may rely on.
//!
//! An event names what happened and carries none of its content. A topic is kept for days and
//! copied by whoever may read it, while a message must be gone when its conversation is deleted; a
//! workload that needs the text asks storage, which checks whose it is. So an event is also small,
//! whatever the message's size.
//!
//! The form is stable: within one [`VERSION`] fields and kinds are added and never changed. A
//! consumer skips a kind that it does not know, and sets an event of another version aside.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version that this release writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// What topic names begin with where nothing else is set.
pub const TOPIC_PREFIX: &str = "chatbot";

/// Partitions of the topic of events: those of one conversation are in one, in order.
pub const PARTITIONS: i32 = 12;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// The topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Each record an [`Event`] as JSON, its key the conversation's id (16 bytes).
    Events,
    /// Records of [`Topic::Events`] that a consumer could not handle, as they were; see [`dead`].
    DeadLetters,
    /// Each record a [`Request`](crate::requests::Request) as JSON, its key the request's id (16 bytes).
    Requests,
}

impl Topic {
    /// The name at the broker.
    #[must_use]
    pub fn name(self, prefix: &str) -> String {
        match self {
            Self::Events => format!("{prefix}.events"),
            Self::DeadLetters => format!("{prefix}.dead-letters"),
            Self::Requests => format!("{prefix}.requests"),
        }
    }

    /// How many partitions it is made with.
    #[must_use]
    pub const fn partitions(self) -> i32 {
        match self {
            Self::Events => PARTITIONS,
            Self::DeadLetters => 1,
            Self::Requests => 3,
        }
    }

    /// How long a record is kept; as the broker does it by itself where absent.
    #[must_use]
    pub const fn retention(self) -> Option<Duration> {
        match self {
            Self::Events => None,
            // For a person to look at them.
            Self::DeadLetters => Some(Duration::from_secs(30 * DAY)),
            // For a document store that is away. There are many more of them than of events, and they are worth less.
            Self::Requests => Some(Duration::from_secs(3 * DAY)),
        }
    }
}

/// Consumer groups. The name of each begins with the topics' prefix, so that one right covers them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Whoever reads everything from the end and keeps no place; nothing is ever committed in it.
    Readers,
    /// What puts dead letters back: its place is after the last one.
    Replay,
    /// The archive in the document store.
    Archive,
    /// What makes messages to webhooks of them.
    Webhooks,
    /// What brings requests into the document store.
    Requests,
}

impl Group {
    /// What it is called in logs, metrics and headers.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Readers => "readers",
            Self::Replay => "replay",
            Self::Archive => "archive",
            Self::Webhooks => "webhooks",
            Self::Requests => "requests",
        }
    }

    /// What it reads.
    #[must_use]
    pub const fn topic(self) -> Topic {
        match self {
            Self::Readers | Self::Archive | Self::Webhooks => Topic::Events,
            Self::Replay => Topic::DeadLetters,
            Self::Requests => Topic::Requests,
        }
    }

    /// The name at the broker.
    #[must_use]
    pub fn name(self, prefix: &str) -> String {
        format!("{prefix}.{}", self.label())
    }
}

/// Headers of a dead letter.
pub mod dead {
    /// Why it was set aside: [`super::Unreadable`]'s name.
    pub const REASON: &str = "reason";
    /// What is wrong, for a person.
    pub const PROBLEM: &str = "problem";
    /// Which workload set it aside, or which [`super::Group`] that keeps its place.
    pub const CONSUMER: &str = "consumer";
    /// `partition/offset` it was read from: several consumers may set the same record aside.
    pub const ORIGIN: &str = "origin";
}

/// Why a record cannot be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// It is no event.
    Malformed,
    /// It has another version than [`VERSION`].
    UnknownVersion,
}

impl Unreadable {
    /// The name in headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
        }
    }
}

/// Something that happened, and is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// UUIDv7, the same however often the event is told: whoever knows it has handled the event.
    pub id: Uuid,
    /// [`VERSION`].
    pub version: u32,
    /// When it happened.
    pub time: Timestamp,
    /// Whose conversation it is.
    pub user_id: Uuid,
    /// The conversation.
    pub conversation_id: Uuid,
    /// Place in the conversation, from 1, without gaps: of a message its own, of the deletion the
    /// one after the last message.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload")]
pub enum Kind {
    /// The message of a person was stored.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// The message.
        message_id: Uuid,
        /// Its turn.
        turn_id: Uuid,
    },
    /// The answer of the model was stored.
    #[serde(rename = "answer.created")]
    AnswerCreated {
        /// The message.
        message_id: Uuid,
        /// Its turn.
        turn_id: Uuid,
        /// The model that wrote it.
        model: String,
        /// Tokens of the prompt, where the model API told them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt_tokens: Option<u64>,
        /// Tokens of the answer, where the model API told them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        completion_tokens: Option<u64>,
    },
    /// The conversation was deleted with everything in it.
    #[serde(rename = "conversation.deleted")]
    ConversationDeleted {},
}

impl Kind {
    /// The values of `type` that this release knows.
    pub const NAMES: [&str; 3] = ["message.created", "answer.created", "conversation.deleted"];

    /// The value of `type`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MessageCreated { .. } => Self::NAMES[0],
            Self::AnswerCreated { .. } => Self::NAMES[1],
            Self::ConversationDeleted {} => Self::NAMES[2],
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use uuid::Uuid;

    use super::{Event, Group, Kind, Topic, VERSION};

    fn event(kind: Kind) -> Event {
        Event {
            id: Uuid::from_u128(1),
            version: VERSION,
            time: "2026-01-02T03:04:05.006Z".parse().unwrap(),
            user_id: Uuid::from_u128(2),
            conversation_id: Uuid::from_u128(3),
            seq: 7,
            kind,
        }
    }

    /// What consumers of earlier releases read: a change of an expectation here breaks them.
    #[test]
    fn the_form_is_the_one_that_was_promised() {
        let (message_id, turn_id) = (Uuid::from_u128(4), Uuid::from_u128(5));
        let head = r#"{"id":"00000000-0000-0000-0000-000000000001","version":1,"time":"2026-01-02T03:04:05.006Z","user_id":"00000000-0000-0000-0000-000000000002","conversation_id":"00000000-0000-0000-0000-000000000003","seq":7,"#;
        let message = r#""message_id":"00000000-0000-0000-0000-000000000004","turn_id":"00000000-0000-0000-0000-000000000005""#;
        let forms = [
            (
                Kind::MessageCreated {
                    message_id,
                    turn_id,
                },
                format!(r#"{head}"type":"message.created","payload":{{{message}}}}}"#),
            ),
            (
                Kind::AnswerCreated {
                    message_id,
                    turn_id,
                    model: "m".to_owned(),
                    prompt_tokens: Some(3),
                    completion_tokens: Some(5),
                },
                format!(
                    r#"{head}"type":"answer.created","payload":{{{message},"model":"m","prompt_tokens":3,"completion_tokens":5}}}}"#
                ),
            ),
            (
                Kind::ConversationDeleted {},
                format!(r#"{head}"type":"conversation.deleted","payload":{{}}}}"#),
            ),
        ];
        for ((kind, text), name) in forms.into_iter().zip(Kind::NAMES) {
            assert!(text.contains(&format!(r#""type":"{name}""#)));
            assert_eq!(kind.name(), name);
            let event = event(kind);
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
    }

    #[test]
    fn fields_of_a_newer_release_are_skipped() {
        let mut value = serde_json::to_value(event(Kind::ConversationDeleted {})).unwrap();
        value["new"] = 1.into();
        value["payload"]["new"] = 1.into();
        assert!(serde_json::from_value::<Event>(value).is_ok());
    }

    #[test]
    fn topics_have_a_prefix_of_their_own() {
        assert_eq!(Topic::Events.name("chatbot"), "chatbot.events");
        assert_eq!(Topic::DeadLetters.name("a.b"), "a.b.dead-letters");
        assert_eq!(Group::Archive.name("a.b"), "a.b.archive");
    }
}
