//! What a user is told without asking: one's own messages, in whichever tab or program they began.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conversations::MessageOut;

/// Something new of a user; the SSE `event` field and the WebSocket `type` field have its name.
///
/// Those of one conversation come in the order of `seq`. One may come again, with the same
/// `event_id`. What happened while nobody was connected does not come: read it once after connecting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum UserEvent {
    /// A message of the user, or an answer of the model, was stored.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// The same for the same event.
        event_id: Uuid,
        /// As stored.
        message: MessageOut,
    },
    /// A conversation was deleted.
    #[serde(rename = "conversation.deleted")]
    ConversationDeleted {
        /// The same for the same event.
        event_id: Uuid,
        /// Which.
        conversation_id: Uuid,
    },
    /// Events may have been missed here: read what you show again.
    #[serde(rename = "resync")]
    Resync {},
}

impl UserEvent {
    /// The value of the SSE `event` field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MessageCreated { .. } => "message.created",
            Self::ConversationDeleted { .. } => "conversation.deleted",
            Self::Resync {} => "resync",
        }
    }
}
