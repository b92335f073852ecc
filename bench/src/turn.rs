//! A turn as a client has it: a message, the stream of its answer, and when each was acknowledged.

use chatbot_api::IDEMPOTENCY_KEY;
use chatbot_api::conversations::MessageOut;
use chatbot_api::turns::{ChatIn, TurnEvent};
use chatbot_testkit::person::Person;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use jiff::Timestamp;
use reqwest::Method;
use uuid::Uuid;

use crate::error::{Error, Result};

/// A stored message, and when the client knew.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    /// The message.
    pub(crate) message: Uuid,
    /// Its time, which storage takes before the transaction begins.
    pub(crate) created: Timestamp,
    /// When the client was told, which is after the commit.
    pub(crate) told: Timestamp,
}

impl Acknowledged {
    fn now(message: &MessageOut) -> Self {
        Self {
            message: message.id,
            created: message.created_at,
            told: Timestamp::now(),
        }
    }
}

/// Says something in a conversation, or begins one; gives its id. Tells of both messages as they are acknowledged.
pub(crate) async fn take(
    person: &Person,
    conversation: Option<Uuid>,
    text: &str,
    mut tell: impl FnMut(Acknowledged),
) -> Result<Uuid> {
    const STEP: &str = "take a turn";
    let question = ChatIn {
        conversation_id: conversation,
        message: text.to_owned(),
        model: None,
        stream: true,
    };
    let request = person
        .request(Method::POST, "/v1/chat")
        .header(IDEMPOTENCY_KEY, Uuid::new_v4().to_string())
        .json(&question);
    let response = request
        .send()
        .await
        .map_err(|error| Error::turn(STEP, error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(Error::turn(STEP, status));
    }
    let mut events = response.bytes_stream().eventsource();
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| Error::turn(STEP, error))?;
        match serde_json::from_str(&event.data)? {
            TurnEvent::Accepted { message } => tell(Acknowledged::now(&message)),
            TurnEvent::Done { turn } => {
                tell(Acknowledged::now(&turn.answer));
                return Ok(turn.answer.conversation_id);
            }
            TurnEvent::Error { error } => return Err(Error::turn(STEP, error.message)),
            TurnEvent::Delta { .. } | TurnEvent::Restarted {} => {}
        }
    }
    Err(Error::turn(STEP, "the stream ended early"))
}
