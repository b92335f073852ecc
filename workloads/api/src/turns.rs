//! One turn: the message of a user, and the model's answer to it, streamed or whole.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conversations::MessageOut;
use crate::error::ErrorDetail;

/// Asks for an answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatIn {
    /// The conversation to go on with; absent starts a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<Uuid>,
    /// Text, 1 to 32,000 characters.
    pub message: String,
    /// Model; the deployment's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `true`: server-sent events, each a [`TurnEvent`]; `false`: one [`TurnOut`].
    #[serde(default)]
    pub stream: bool,
}

/// A whole turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TurnOut {
    /// The stored message of the user.
    pub message: MessageOut,
    /// The stored answer.
    pub answer: MessageOut,
    /// Why the answer ended: `stop`, `length`, `content_filter`; `cancelled` when it was stopped on
    /// request and holds what was there by then.
    pub finish_reason: String,
    /// Tokens, where the model API told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// [`TurnOut::finish_reason`] of an answer that was stopped on request.
pub const CANCELLED: &str = "cancelled";

/// Tokens of one call of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// One event of a stream; the SSE `event` field and the WebSocket `type` field have its name.
///
/// Each has an id, in the SSE `id` field and the WebSocket `event_id` field: whoever names the last one it saw
/// gets what came after it.
///
/// `accepted` comes first, `delta` any number of times, then `done` or `error`, once. `restarted`
/// may come between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TurnEvent {
    /// The user's message is stored: it will never be lost, doubled or reordered.
    Accepted {
        /// As stored.
        message: MessageOut,
    },
    /// A piece of the answer.
    Delta {
        /// Text to append.
        content: String,
    },
    /// The process that wrote this answer is gone, and another begins the answer again: forget the
    /// deltas so far. The message of the user stays as it was accepted.
    Restarted {},
    /// The answer is stored.
    Done {
        /// The whole turn.
        turn: Box<TurnOut>,
    },
    /// The turn failed; a stored message stays stored, and the same key may be tried again.
    Error {
        /// Why.
        error: ErrorDetail,
    },
}

impl TurnEvent {
    /// The value of the SSE `event` field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Delta { .. } => "delta",
            Self::Restarted {} => "restarted",
            Self::Done { .. } => "done",
            Self::Error { .. } => "error",
        }
    }
}

/// The id of an event: the attempt at the answer, and the event's place in it, written `attempt-place`.
///
/// Ids grow: within an attempt by one, and from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Place in the attempt, from 1.
    pub place: u64,
}

/// A text that names no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEventId;

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.attempt, self.place)
    }
}

impl std::fmt::Display for NotAnEventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this is not the id of an event; send one as the stream gave it, such as 1-7")
    }
}

impl std::error::Error for NotAnEventId {}

impl std::str::FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        let (attempt, place) = text.split_once('-').ok_or(NotAnEventId)?;
        Ok(Self {
            attempt: attempt.parse().map_err(|_| NotAnEventId)?,
            place: place.parse().map_err(|_| NotAnEventId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{EventId, NotAnEventId};

    #[test]
    fn an_event_id_is_read_as_it_is_written() {
        let id = EventId {
            attempt: 2,
            place: 17,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "1", "-1", "1-", "a-1", "1-2-3", "1--2"] {
            assert_eq!(wrong.parse::<EventId>(), Err(NotAnEventId), "{wrong}");
        }
    }
}
