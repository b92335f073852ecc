//! Turns that run: each is read to its end, so that its tokens are counted and it can be stopped,
//! whether or not its client stays.

use std::pin::pin;
use std::time::Duration;

use chatbot_api::internal::chat;
use chatbot_api::turns::{TurnEvent, TurnOut};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::client::Client;
use chatbot_runtime::context::Shutdown;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{Asked, Event, What, events};
use crate::limit::Limits;

/// Events that wait for a client; a turn whose client is slow waits with its next one.
const WAITING: usize = 64;

/// How long another process is looked for that makes the answer which is to be stopped.
const CANCEL: Duration = Duration::from_secs(5);

/// Runs turns. Clones share everything.
#[derive(Clone)]
pub struct Turns {
    chat: Client,
    limits: Limits,
    shutdown: Shutdown,
}

/// Stops the answer of a turn, as soon as the turn is known.
#[derive(Clone)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Stops it.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

impl Turns {
    /// Makes what runs turns at the chat workload.
    #[must_use]
    pub const fn new(chat: Client, limits: Limits, shutdown: Shutdown) -> Self {
        Self {
            chat,
            limits,
            shutdown,
        }
    }

    /// The limits that the tokens are counted by.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Runs a turn, or goes on with one; see [`events`] for what comes.
    ///
    /// A turn that is begun here is read to its end though nobody receives. The process waits for that.
    pub fn start(
        &self,
        asked: Asked,
    ) -> (
        impl Stream<Item = Result<Event, ApiError>> + Send + Unpin + use<>,
        Stop,
    ) {
        let (sender, mut received) = mpsc::channel(WAITING);
        let stop = Stop(CancellationToken::new());
        let running = self.clone().read(asked, sender, stop.clone());
        let session = self.shutdown.session();
        tokio::spawn(
            async move {
                running.await;
                drop(session);
            }
            .in_current_span(),
        );
        (stream::poll_fn(move |poll| received.poll_recv(poll)), stop)
    }

    /// Runs a turn and gives it whole.
    ///
    /// # Errors
    /// What the chat workload said, or the error that the turn ended with.
    pub async fn whole(&self, asked: Asked) -> Result<TurnOut, ApiError> {
        let (mut events, _) = self.start(asked);
        while let Some(event) = events.next().await {
            match event?.event {
                TurnEvent::Done { turn } => return Ok(*turn),
                TurnEvent::Error { error } => return Err(error.into()),
                _ => {}
            }
        }
        Err(ApiError::defect())
    }

    /// Stops the answer of a turn, wherever it is made.
    ///
    /// # Errors
    /// 404 when the caller has no such turn; 503 when the process that makes the answer cannot be told.
    pub async fn cancel(&self, caller: &Caller, turn: Uuid) -> Result<(), ApiError> {
        let call = self.chat.post(chat::CANCEL, &[turn]).on_behalf_of(caller);
        // Stopping twice is stopping once.
        call.key(&IdempotencyKey::random())
            .deadline(CANCEL)
            .send()
            .await?;
        Ok(())
    }

    async fn read(
        self,
        asked: Asked,
        sender: mpsc::Sender<Result<Event, ApiError>>,
        Stop(stop): Stop,
    ) {
        let Asked { caller, what } = asked.clone();
        let begun_here = matches!(what, What::Begin { .. });
        let mut turn = match what {
            What::Begin { .. } => None,
            What::Resume { turn, .. } => Some(turn),
        };
        let mut stopped = false;
        let mut events = pin!(events(self.chat.clone(), asked));
        loop {
            let next = tokio::select! {
                next = events.next() => next,
                () = stop.cancelled(), if !stopped && turn.is_some() => {
                    stopped = true;
                    if let Some(turn) = turn
                        && let Err(error) = self.cancel(&caller, turn).await
                    {
                        tracing::warn!(code = ?error.code, "an answer could not be stopped");
                    }
                    continue;
                }
                () = sender.closed(), if !begun_here => return,
            };
            let Some(next) = next else { return };
            match &next {
                Ok(Event {
                    event: TurnEvent::Accepted { message },
                    ..
                }) => turn = Some(message.turn_id),
                // One without an id comes from its record, and was counted when it was made.
                Ok(Event {
                    id: Some(_),
                    event: TurnEvent::Done { turn },
                }) if begun_here => self.limits.spend(caller.user, spent(turn)).await,
                _ => {}
            }
            // A client that went away changes nothing.
            let _ = sender.send(next).await;
        }
    }
}

/// Tokens of a turn; where the model API told none, as for an answer that was stopped, about as many as
/// English has.
fn spent(turn: &TurnOut) -> u64 {
    turn.usage.map_or_else(
        || {
            let bytes = turn.message.content.len() + turn.answer.content.len();
            u64::try_from(bytes / 4).unwrap_or(u64::MAX)
        },
        |usage| usage.prompt_tokens.saturating_add(usage.completion_tokens),
    )
}
