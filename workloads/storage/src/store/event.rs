//! The events of what a store changes, as rows that it adds to its outbox.

use chatbot_contract::events::{Event, Kind, VERSION};
use jiff::Timestamp;
use uuid::Uuid;

use super::{MessageRow, NewAnswer};

/// An event that shall wait.
pub(super) struct NewEvent {
    /// Its id.
    pub(super) id: Uuid,
    /// The conversation.
    pub(super) conversation_id: Uuid,
    /// The event as JSON.
    pub(super) text: Vec<u8>,
    /// In milliseconds since 1970.
    pub(super) created_at: i64,
}

impl NewEvent {
    /// The user's message was stored.
    pub(super) fn message(user: Uuid, message: &MessageRow) -> Result<Self, sqlx::Error> {
        let kind = Kind::MessageCreated {
            message_id: message.id,
            turn_id: message.turn_id,
        };
        let place = (message.conversation_id, message.seq);
        Self::new(user, place, message.created_at, kind)
    }

    /// The answer was stored as this message.
    pub(super) fn answer(answer: &NewAnswer, message: &MessageRow) -> Result<Self, sqlx::Error> {
        let kind = Kind::AnswerCreated {
            message_id: message.id,
            turn_id: message.turn_id,
            model: answer.model.clone(),
            prompt_tokens: answer.usage.map(|usage| usage.prompt_tokens),
            completion_tokens: answer.usage.map(|usage| usage.completion_tokens),
        };
        let place = (message.conversation_id, message.seq);
        Self::new(answer.user_id, place, message.created_at, kind)
    }

    /// The conversation, whose last message is at `last_seq`, was deleted.
    pub(super) fn deletion(
        user: Uuid,
        conversation: Uuid,
        last_seq: u64,
        now: i64,
    ) -> Result<Self, sqlx::Error> {
        let place = (conversation, last_seq + 1);
        Self::new(user, place, now, Kind::ConversationDeleted {})
    }

    fn new(
        user_id: Uuid,
        (conversation_id, seq): (Uuid, u64),
        now: i64,
        kind: Kind,
    ) -> Result<Self, sqlx::Error> {
        // Nobody outside asks for this id, so it is made where the row is.
        let event = Event {
            id: Uuid::now_v7(),
            version: VERSION,
            time: Timestamp::from_millisecond(now)
                .map_err(|error| sqlx::Error::Encode(Box::new(error)))?,
            user_id,
            conversation_id,
            seq,
            kind,
        };
        Ok(Self {
            id: event.id,
            conversation_id,
            text: serde_json::to_vec(&event).expect("an event can be written as JSON"),
            created_at: now,
        })
    }
}
