//! The frames of the WebSocket: JSON text, one object each.

use axum::extract::ws::CloseCode;
use chatbot_api::error::ErrorDetail;
use chatbot_api::events::UserEvent;
use chatbot_api::turns::TurnEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::turn::Event;

/// A frame from the client.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ClientFrame {
    /// Says who one is; again, with a new token, before the old one expires.
    Authenticate {
        /// Access token.
        access_token: String,
    },
    /// Asks for an answer.
    Chat {
        /// Name of this turn on this connection, chosen by the client; 1 to 64 characters.
        id: String,
        /// The same key with the same request is one turn, however often it is sent.
        #[serde(default)]
        idempotency_key: Option<String>,
        /// The conversation to go on with; absent starts a new one.
        #[serde(default)]
        conversation_id: Option<Uuid>,
        /// Text, 1 to 32,000 characters.
        message: String,
        /// Model; the deployment's own when absent.
        #[serde(default)]
        model: Option<String>,
    },
    /// Goes on with a turn that was begun before, on another connection for example.
    Resume {
        /// Name of this turn on this connection, chosen by the client; 1 to 64 characters.
        id: String,
        /// The turn.
        turn_id: Uuid,
        /// The last event that was seen; all events come where it is absent.
        #[serde(default)]
        last_event_id: Option<String>,
    },
    /// Ends the events of a turn and stops its answer, which is stored as far as it came.
    Cancel {
        /// Name of the turn.
        id: String,
    },
}

/// A frame from the server.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ServerFrame {
    /// An event of a turn.
    Turn(TurnFrame),
    /// Something new of the user; the turns of this connection are told of, too.
    Event(UserEvent),
    /// Everything else.
    Session(SessionFrame),
}

/// An event of a turn.
#[derive(Serialize, ToSchema)]
pub(crate) struct TurnFrame {
    /// Name of the turn.
    pub(crate) id: String,
    /// What the event can be named by in `resume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
    /// The event.
    #[serde(flatten)]
    pub(crate) event: TurnEvent,
}

/// What belongs to no turn, or ends one.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SessionFrame {
    /// The access token holds.
    Authenticated {
        /// The user.
        user_id: Uuid,
    },
    /// No more events of this turn will come, and its answer is stopped.
    Cancelled {
        /// Name of the turn.
        id: String,
    },
    /// A frame was not understood.
    Error {
        /// Why.
        error: ErrorDetail,
    },
}

impl ServerFrame {
    pub(crate) fn turn(id: String, event: Event) -> Self {
        let Event {
            id: event_id,
            event,
        } = event;
        Self::Turn(TurnFrame {
            id,
            event_id,
            event,
        })
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a frame can be written as JSON")
    }
}

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The process ends; connect again.
    GoingAway,
    /// A binary frame.
    Unsupported,
    /// No valid access token, or it has expired.
    Unauthenticated,
    /// No access token in time.
    Late,
    /// A defect of ours; connect again.
    Defect,
}

impl Close {
    pub(crate) const fn code(self) -> CloseCode {
        match self {
            Self::GoingAway => 1001,
            Self::Unsupported => 1003,
            Self::Unauthenticated => 4401,
            Self::Late => 4408,
            Self::Defect => 1011,
        }
    }

    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "the server is restarting; connect again",
            Self::Unsupported => "send text frames",
            Self::Unauthenticated => "no valid access token; log in again",
            Self::Late => "no access token within 10 seconds",
            Self::Defect => "something went wrong here; connect again",
        }
    }
}
