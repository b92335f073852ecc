//! A turn as its client sees it: one stream of events, whatever happens to the process behind it.
//!
//! When the chat workload goes away in the middle, the same request is sent again with the same
//! idempotency key. The message is stored once, whoever asks how often; an answer that was stored
//! comes back at once; an unfinished one is begun again, and the client is told to forget its pieces.
//!
//! A client that was away asks for the events after the last one it saw. When the process behind that
//! goes away, the same is asked of another one, from the last event that was passed on.

mod running;

use std::time::Duration;

use async_stream::stream;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use chatbot_api::LAST_EVENT_ID;
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::chat;
use chatbot_api::turns::{ChatIn, EventId, TurnEvent};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::client::Client;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use eventsource_stream::Eventsource as _;
use futures::{Stream, StreamExt as _};
use tokio::time::Instant;
use uuid::Uuid;

pub use running::{Stop, Turns};

/// How long a turn is tried again after the last event that brought it forward.
const PATIENCE: Duration = Duration::from_secs(30);

/// The chat workload sends a comment at least every 10 s; this much silence means it is gone.
const SILENCE: Duration = Duration::from_secs(35);

/// What a client wants to see.
#[derive(Clone)]
pub struct Asked {
    /// For whom.
    pub caller: Caller,
    /// What.
    pub what: What,
}

/// Which turn, from where.
#[derive(Clone)]
pub enum What {
    /// A turn, from its beginning.
    Begin {
        /// The key that makes it one turn.
        key: IdempotencyKey,
        /// What is said.
        request: ChatIn,
    },
    /// A turn that was begun before.
    Resume {
        /// Which.
        turn: Uuid,
        /// Id of the last event that was seen; none to see all of them.
        after: Option<EventId>,
    },
}

/// An event on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it can be named by; the end of a turn that was stored before has none.
    pub id: Option<String>,
    /// What happened.
    pub event: TurnEvent,
}

/// Runs a turn. An error is the first and only item: nothing was accepted. After `accepted`, every
/// failure is an event, and the last item is `done` or `error`.
pub fn events(
    chat: Client,
    mut asked: Asked,
) -> impl Stream<Item = Result<Event, ApiError>> + Send {
    stream! {
        let mut shown = Shown::of(&asked.what);
        let mut delays = delays();
        let mut give_up = Instant::now() + PATIENCE;
        loop {
            let lost = 'attempt: {
                let mut incoming = match ask(&chat, &asked).await {
                    Ok(response) => incoming(response),
                    Err(error) if shown.accepted && may_pass(&error) => break 'attempt error,
                    Err(error) => {
                        yield shown.failure(error);
                        return;
                    }
                };
                loop {
                    let next = tokio::time::timeout(SILENCE, incoming.next()).await;
                    let Event { id, event } = match next {
                        Ok(Some(Ok(Some(event)))) => event,
                        Ok(Some(Ok(None))) => continue,
                        Ok(Some(Err(error))) => break 'attempt gone(&error),
                        Ok(None) => break 'attempt gone(&"the stream ended before its last event"),
                        Err(_) => break 'attempt gone(&"the stream fell silent"),
                    };
                    if let TurnEvent::Error { error } = event {
                        let error = ApiError::from(error);
                        if may_pass(&error) {
                            break 'attempt error;
                        }
                        yield shown.failure(error);
                        return;
                    }
                    give_up = Instant::now() + PATIENCE;
                    delays = self::delays();
                    let last = matches!(event, TurnEvent::Done { .. });
                    asked.what.seen(id.as_deref());
                    if let Some(event) = shown.next(event) {
                        yield Ok(Event { id, event });
                    }
                    if last {
                        return;
                    }
                }
            };
            let delay = delays.next().unwrap_or(PATIENCE);
            if Instant::now() + delay >= give_up {
                yield shown.failure(lost);
                return;
            }
            tracing::info!(code = ?lost.code, accepted = shown.accepted, "a turn is asked for again");
            tokio::time::sleep(delay).await;
        }
    }
}

/// What the client was shown, over all attempts.
#[derive(Default)]
struct Shown {
    accepted: bool,
    pieces: bool,
}

impl What {
    /// Notes the last event, so that the next attempt goes on after it.
    fn seen(&mut self, id: Option<&str>) {
        if let Self::Resume { after, .. } = self
            && let Some(id) = id.and_then(|id| id.parse().ok())
        {
            *after = Some(id);
        }
    }
}

impl Shown {
    /// What the client has before the first event: one that goes on has all until there.
    fn of(what: &What) -> Self {
        let resumed = matches!(what, What::Resume { after: Some(_), .. });
        Self {
            accepted: resumed,
            pieces: resumed,
        }
    }

    /// What to show of an attempt's event.
    fn next(&mut self, event: TurnEvent) -> Option<TurnEvent> {
        match event {
            TurnEvent::Accepted { .. } if self.accepted => {
                std::mem::take(&mut self.pieces).then_some(TurnEvent::Restarted {})
            }
            TurnEvent::Accepted { .. } => {
                self.accepted = true;
                Some(event)
            }
            TurnEvent::Delta { .. } => {
                self.pieces = true;
                Some(event)
            }
            TurnEvent::Restarted {} => {
                self.pieces = false;
                Some(event)
            }
            TurnEvent::Done { .. } | TurnEvent::Error { .. } => Some(event),
        }
    }

    fn failure(&self, error: ApiError) -> Result<Event, ApiError> {
        if self.accepted {
            Ok(Event {
                id: None,
                event: TurnEvent::Error {
                    error: error.detail(),
                },
            })
        } else {
            Err(error)
        }
    }
}

fn delays() -> backon::ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_jitter()
        .build()
}

/// Another attempt can go well: a part was away.
fn may_pass(error: &ApiError) -> bool {
    error.code == ErrorCode::Unavailable
}

fn gone(error: &dyn std::fmt::Display) -> ApiError {
    tracing::warn!(error = error.to_string(), "the stream of a turn broke");
    ApiError::unavailable("the answer was interrupted; try again")
}

async fn ask(chat: &Client, asked: &Asked) -> Result<chatbot_runtime::client::Response, ApiError> {
    let call = match &asked.what {
        What::Begin { key, request } => {
            let request = ChatIn {
                stream: true,
                ..request.clone()
            };
            chat.post(chat::TURNS, &[]).key(key).json(&request)
        }
        What::Resume { turn, after } => {
            let call = chat.get(chat::EVENTS, &[*turn]);
            match after {
                Some(after) => call.header(LAST_EVENT_ID, after),
                None => call,
            }
        }
    };
    call.on_behalf_of(&asked.caller).events().send().await
}

/// The events of a response; `None` for an event that a newer release knows and we do not.
fn incoming(
    response: chatbot_runtime::client::Response,
) -> impl Stream<Item = Result<Option<Event>, String>> + Send + Unpin {
    Box::pin(response.bytes_stream().eventsource().map(|event| {
        let event = event.map_err(|error| error.to_string())?;
        let id = (!event.id.is_empty()).then_some(event.id);
        Ok(serde_json::from_str(&event.data)
            .ok()
            .map(|event| Event { id, event }))
    }))
}

#[cfg(test)]
mod tests {
    use chatbot_api::turns::TurnEvent;

    use super::Shown;

    fn delta() -> TurnEvent {
        TurnEvent::Delta {
            content: "x".to_owned(),
        }
    }

    #[test]
    fn a_restart_that_comes_from_behind_is_passed_on() {
        let mut shown = Shown {
            accepted: true,
            pieces: false,
        };
        assert_eq!(shown.next(delta()), Some(delta()));
        assert_eq!(
            shown.next(TurnEvent::Restarted {}),
            Some(TurnEvent::Restarted {})
        );
        assert!(!shown.pieces);
    }
}
