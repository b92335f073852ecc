//! What users are told without asking: the gateway reads every event, and passes on to each of its
//! connections those of the connection's user.
//!
//! An event names a message and does not hold it: the text is asked of storage in the user's name,
//! so that storage, too, checks whose it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_stream::stream;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chatbot_api::conversations::MessageOut;
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::events::UserEvent;
use chatbot_api::internal::{MessageAtIn, storage};
use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Kind};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::client::Client;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::events::{Consumed, EventLog, consume};
use chatbot_runtime::request_id::RequestId;
use futures::{Stream, StreamExt as _};
use moka::sync::Cache;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use crate::requests::Asker;
use crate::{AppState, sse};

/// Events that wait for one connection; a client that is slower is told to read again.
const WAITING: usize = 256;

/// Ids of events that are remembered, so that one which is told again is passed on once.
const KNOWN: u64 = 100_000;

/// How long a message may take to come from storage.
const FETCH: Duration = Duration::from_secs(10);

/// How long a request waits for the log to be followed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The events of all users. Clones share them.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

struct Inner {
    /// The users who are connected here, and the way to their connections.
    users: Mutex<HashMap<Uuid, broadcast::Sender<Told>>>,
    known: Cache<Uuid, ()>,
    following: watch::Sender<bool>,
}

/// What a connection is told.
#[derive(Clone)]
enum Told {
    Event(Event),
    Resync,
}

/// A connection's place among those of its user.
struct Subscription {
    events: Events,
    user: Uuid,
    receiver: broadcast::Receiver<Told>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                users: Mutex::default(),
                known: Cache::new(KNOWN),
                following: watch::Sender::new(false),
            }),
        }
    }
}

impl Events {
    /// Reads the log for ever and passes its events on.
    pub async fn follow(self, log: Arc<dyn EventLog>, consumed: Consumed) {
        let following = || {
            self.inner.following.send_replace(true);
            // Whoever was connected before may have missed something.
            for sender in self.users().values() {
                let _ = sender.send(Told::Resync);
            }
        };
        let handle = |event| self.tell(event);
        consume(log, Workload::Gateway, consumed, following, handle).await;
    }

    /// The events of a user from now on.
    pub(crate) fn of(
        &self,
        caller: Caller,
        storage: Client,
    ) -> impl Stream<Item = UserEvent> + Send + use<> {
        let mut subscription = self.subscribe(caller.user);
        stream! {
            loop {
                let event = match subscription.receiver.recv().await {
                    Ok(Told::Event(event)) => event,
                    Ok(Told::Resync) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        yield UserEvent::Resync {};
                        continue;
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                match shown(&storage, &caller, event).await {
                    Ok(Some(event)) => yield event,
                    // It was deleted meanwhile.
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(error = error.to_string(), "a message cannot be shown");
                        yield UserEvent::Resync {};
                    }
                }
            }
        }
    }

    fn tell(&self, event: Event) {
        if !self.inner.known.entry(event.id).or_insert(()).is_fresh() {
            return;
        }
        if let Some(sender) = self.users().get(&event.user_id) {
            // The last connection may be going at this moment.
            let _ = sender.send(Told::Event(event));
        }
    }

    fn subscribe(&self, user: Uuid) -> Subscription {
        let receiver = self
            .users()
            .entry(user)
            .or_insert_with(|| broadcast::Sender::new(WAITING))
            .subscribe();
        Subscription {
            events: self.clone(),
            user,
            receiver,
        }
    }

    async fn followed(&self) -> Result<(), ApiError> {
        let mut following = self.inner.following.subscribe();
        let waiting = following.wait_for(|following| *following);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::unavailable(
                "events cannot be read at the moment; read the lists, and try again later",
            )),
        }
    }

    fn users(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, broadcast::Sender<Told>>> {
        self.inner
            .users
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut users = self.events.users();
        // Its own receiver is still there.
        if users
            .get(&self.user)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            users.remove(&self.user);
        }
    }
}

/// An event as its user sees it; nothing where what it names is gone.
async fn shown(
    storage: &Client,
    caller: &Caller,
    event: Event,
) -> Result<Option<UserEvent>, ApiError> {
    let Event {
        id: event_id,
        conversation_id,
        seq,
        kind,
        ..
    } = event;
    let (Kind::MessageCreated { .. } | Kind::AnswerCreated { .. }) = kind else {
        return Ok(Some(UserEvent::ConversationDeleted {
            event_id,
            conversation_id,
        }));
    };
    let asked = storage
        .get(storage::MESSAGE, &[conversation_id])
        .query(&MessageAtIn { seq })
        .on_behalf_of(caller)
        .deadline(FETCH)
        .receive::<MessageOut>()
        .await;
    match asked {
        Ok(message) => Ok(Some(UserEvent::MessageCreated { event_id, message })),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells what is new of the user, as server-sent events, each a `UserEvent`.
///
/// The stream ends when the access token expires or the process ends: connect again, and read once
/// what may have been missed. A cluster without Kafka tells none (404).
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    responses(
        (status = 200, content((UserEvent = "text/event-stream"))),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn stream(
    State(state): State<AppState>,
    request_id: RequestId,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let identity = state.tokens.identify(&headers).await?;
    asker.is(identity.user);
    let events = state.events.ok_or_else(|| {
        ApiError::new(
            ErrorCode::NotFound,
            "this system tells no events, since it has no Kafka; read the lists instead",
        )
    })?;
    events.followed().await?;
    let caller = Caller {
        user: identity.user,
        request_id,
    };
    let shutdown = state.shutdown;
    let end = async move {
        tokio::select! {
            () = tokio::time::sleep(identity.left()) => {}
            () = shutdown.stopping() => {}
        }
    };
    let pushed = events.of(caller, state.callees.storage);
    let pushed = pushed.take_until(Box::pin(end));
    Ok(sse::response(
        pushed.map(|event| sse::event(event.name(), None, &event)),
    ))
}
