//! One WebSocket connection, from its first frame to its close.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use chatbot_api::error::ErrorCode;
use chatbot_api::events::UserEvent;
use chatbot_api::turns::{ChatIn, TurnEvent};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, parse};
use chatbot_runtime::request_id::RequestId;
use futures::stream::{BoxStream, SplitSink};
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use uuid::Uuid;

use super::frames::{ClientFrame, Close, ServerFrame, SessionFrame};
use crate::AppState;
use crate::limit::Shown;
use crate::tokens::Identity;
use crate::turn::{Asked, Event, Stop, What};

/// How long a connection may be without an access token.
const AUTHENTICATION: Duration = Duration::from_secs(10);

/// Time between two pings.
const PING: Duration = Duration::from_secs(20);

/// A connection that has been silent for so long, pongs included, is dead.
const SILENCE: Duration = Duration::from_secs(60);

/// How long the client may take to accept a frame.
const SEND: Duration = Duration::from_secs(30);

/// Turns of one connection at the same time.
const TURNS: usize = 8;

/// Events that wait for the client; a turn whose client is slow waits with its next piece.
const WAITING: usize = 64;

/// Longest name of a turn, in bytes.
const LONGEST_ID: usize = 64;

/// How a connection ends.
enum End {
    /// We close it, and say why.
    Close(Close),
    /// The client is gone.
    Gone,
}

struct Session {
    state: AppState,
    request_id: RequestId,
    identity: Option<Identity>,
    /// Turns whose last event was not sent yet, by their name.
    running: HashMap<String, Turn>,
    tasks: JoinSet<()>,
    events: mpsc::Sender<Said>,
    /// Turns started so far.
    started: u64,
    /// What is sent before anything else happens.
    answers: Vec<ServerFrame>,
    stopping: bool,
}

/// A running turn. Names can be used again on one connection, so each has a number too.
struct Turn {
    number: u64,
    task: AbortHandle,
    stop: Stop,
}

/// An event of a turn on its way to the client.
struct Said {
    number: u64,
    id: String,
    event: Event,
}

/// Serves a connection until one side closes it.
pub(super) async fn run(
    socket: WebSocket,
    state: AppState,
    identity: Option<Identity>,
    request_id: RequestId,
) {
    let (mut sink, mut stream) = socket.split();
    let (sender, mut events) = mpsc::channel(WAITING);
    let shutdown = state.shutdown.clone();
    let mut session = Session {
        state,
        request_id,
        identity,
        running: HashMap::new(),
        tasks: JoinSet::new(),
        events: sender,
        started: 0,
        answers: Vec::new(),
        stopping: false,
    };
    if let Some(identity) = identity {
        session.say(SessionFrame::Authenticated {
            user_id: identity.user,
        });
    }
    // What is to be said first is said after the first tick of `pings`, which comes at once.
    let opened = Instant::now();
    let mut heard = opened;
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let mut pushed = None;

    let end = loop {
        if pushed.is_none() {
            pushed = session.pushed();
        }
        let deadline = session.deadline(opened);
        let step = tokio::select! {
            message = stream.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => session.take(text.as_bytes()).await,
                    Some(Ok(Message::Binary(_))) => Err(End::Close(Close::Unsupported)),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
                }
            }
            Some(said) = events.recv() => {
                session.pass(said);
                Ok(())
            }
            Some(event) = next(&mut pushed) => {
                session.answers.push(ServerFrame::Event(event));
                Ok(())
            }
            Some(ended) = session.tasks.join_next() => reap(ended),
            () = shutdown.stopping(), if !session.stopping => {
                session.stopping = true;
                Ok(())
            }
            () = sleep_until(deadline) => {
                let why = if session.identity.is_some() { Close::Unauthenticated } else { Close::Late };
                Err(End::Close(why))
            }
            _ = pings.tick() => {
                if heard.elapsed() > SILENCE { Err(End::Gone) } else { send(&mut sink, Message::Ping(Default::default())).await }
            }
        };
        let step = match step {
            Ok(()) => flush(&mut sink, &mut session.answers).await,
            end => end,
        };
        match step {
            Err(end) => break end,
            Ok(()) if session.stopping && session.running.is_empty() => {
                break End::Close(Close::GoingAway);
            }
            Ok(()) => {}
        }
    };
    if let End::Close(why) = end {
        let frame = CloseFrame {
            code: why.code(),
            reason: why.reason().into(),
        };
        // The client may be gone already, and then there is nobody to tell.
        let _ = send(&mut sink, Message::Close(Some(frame))).await;
    }
}

/// The next event of the user; never, where there are none.
async fn next(pushed: &mut Option<BoxStream<'static, UserEvent>>) -> Option<UserEvent> {
    match pushed {
        Some(events) => events.next().await,
        None => pending().await,
    }
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, message: Message) -> Result<(), End> {
    match timeout(SEND, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

async fn flush(
    sink: &mut SplitSink<WebSocket, Message>,
    frames: &mut Vec<ServerFrame>,
) -> Result<(), End> {
    for frame in frames.drain(..) {
        send(sink, Message::text(frame.text())).await?;
    }
    Ok(())
}

fn reap(ended: Result<(), JoinError>) -> Result<(), End> {
    match ended {
        Err(error) if error.is_panic() => {
            tracing::error!(error = error.to_string(), "a turn panicked");
            Err(End::Close(Close::Defect))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Session {
    /// The events of the user, once it is known who that is.
    fn pushed(&self) -> Option<BoxStream<'static, UserEvent>> {
        let (events, identity) = (self.state.events.as_ref()?, self.identity?);
        let caller = Caller {
            user: identity.user,
            request_id: self.request_id.clone(),
        };
        Some(
            events
                .of(caller, self.state.callees.storage.clone())
                .boxed(),
        )
    }

    /// When the connection must have a (new) access token.
    fn deadline(&self, opened: Instant) -> Instant {
        match self.identity {
            None => opened + AUTHENTICATION,
            Some(identity) => Instant::now() + identity.left(),
        }
    }

    async fn take(&mut self, text: &[u8]) -> Result<(), End> {
        let frame = match parse::<ClientFrame>(text) {
            Ok(frame) => frame,
            Err(error) => {
                self.say(SessionFrame::Error {
                    error: error.detail(),
                });
                return Ok(());
            }
        };
        if let Some(identity) = &self.identity
            && self.state.tokens.ended(identity).await
        {
            return Err(End::Close(Close::Unauthenticated));
        }
        match (frame, self.identity) {
            (ClientFrame::Authenticate { access_token }, before) => {
                self.authenticate(&access_token, before).await?;
            }
            (
                ClientFrame::Chat { .. } | ClientFrame::Resume { .. } | ClientFrame::Cancel { .. },
                None,
            ) => {
                return Err(End::Close(Close::Unauthenticated));
            }
            (
                ClientFrame::Chat {
                    id,
                    idempotency_key,
                    conversation_id,
                    message,
                    model,
                },
                Some(identity),
            ) => {
                let request = ChatIn {
                    conversation_id,
                    message,
                    model,
                    stream: true,
                };
                let key = key_of(idempotency_key);
                let what = key.map(|key| What::Begin { key, request });
                self.begin(id, what, identity.user).await;
            }
            (
                ClientFrame::Resume {
                    id,
                    turn_id: turn,
                    last_event_id,
                },
                Some(identity),
            ) => {
                let after = last_event_id.map(|id| id.parse()).transpose();
                let what = after
                    .map(|after| What::Resume { turn, after })
                    .map_err(|error| ApiError::invalid("last_event_id", error.to_string()));
                self.begin(id, what, identity.user).await;
            }
            (ClientFrame::Cancel { id }, Some(_)) => {
                if let Some(turn) = self.running.remove(&id) {
                    turn.stop.stop();
                    turn.task.abort();
                }
                self.say(SessionFrame::Cancelled { id });
            }
        }
        Ok(())
    }

    async fn authenticate(&mut self, token: &str, before: Option<Identity>) -> Result<(), End> {
        match self.state.tokens.verify(token).await {
            Ok(identity) if before.is_none_or(|before| before.user == identity.user) => {
                self.identity = Some(identity);
                self.say(SessionFrame::Authenticated {
                    user_id: identity.user,
                });
                Ok(())
            }
            Err(error) if error.code == ErrorCode::Unavailable => {
                self.say(SessionFrame::Error {
                    error: error.detail(),
                });
                Ok(())
            }
            Ok(_) | Err(_) => Err(End::Close(Close::Unauthenticated)),
        }
    }

    async fn begin(&mut self, id: String, what: Result<What, ApiError>, user: Uuid) {
        let started = match what {
            Ok(what) => self.start(&id, what, user).await,
            Err(error) => Err(error),
        };
        if let Err(error) = started {
            self.answers.push(ServerFrame::turn(id, failed(&error)));
        }
    }

    async fn start(&mut self, id: &str, what: What, user: Uuid) -> Result<(), ApiError> {
        if self.stopping {
            return Err(ApiError::unavailable(
                "the server is restarting; connect again",
            ));
        }
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(ApiError::invalid(
                "id",
                "the id of a turn has 1 to 64 characters",
            ));
        }
        if self.running.contains_key(id) {
            return Err(ApiError::invalid(
                "id",
                "a turn with this id is running; choose another id",
            ));
        }
        if self.running.len() >= TURNS {
            let message =
                format!("{TURNS} turns are running on this connection; wait for one to end");
            return Err(ApiError::invalid("id", message));
        }
        let shown = Shown::default();
        self.state.limits.request(user, &shown).await?;
        if matches!(what, What::Begin { .. }) {
            self.state.limits.turn(user, &shown).await?;
        }
        let caller = Caller {
            user,
            request_id: self.request_id.clone(),
        };
        let (mut events, stop) = self.state.turns.start(Asked { caller, what });
        let (sender, name) = (self.events.clone(), id.to_owned());
        self.started += 1;
        let number = self.started;
        let task = self.tasks.spawn(async move {
            while let Some(event) = events.next().await {
                let event = event.unwrap_or_else(|error| failed(&error));
                let id = name.clone();
                if sender.send(Said { number, id, event }).await.is_err() {
                    break;
                }
            }
        });
        self.running
            .insert(id.to_owned(), Turn { number, task, stop });
        Ok(())
    }

    /// Passes an event on, unless its turn was cancelled while it waited.
    fn pass(&mut self, said: Said) {
        let Said { number, id, event } = said;
        if self
            .running
            .get(&id)
            .is_none_or(|turn| turn.number != number)
        {
            return;
        }
        if matches!(
            event.event,
            TurnEvent::Done { .. } | TurnEvent::Error { .. }
        ) {
            self.running.remove(&id);
        }
        self.answers.push(ServerFrame::turn(id, event));
    }

    fn say(&mut self, frame: SessionFrame) {
        self.answers.push(ServerFrame::Session(frame));
    }
}

fn failed(error: &ApiError) -> Event {
    Event {
        id: None,
        event: TurnEvent::Error {
            error: error.detail(),
        },
    }
}

fn key_of(key: Option<String>) -> Result<IdempotencyKey, ApiError> {
    key.map_or_else(
        || Ok(IdempotencyKey::random()),
        |key| IdempotencyKey::parse(key.as_bytes()),
    )
}
