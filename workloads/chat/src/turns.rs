//! A turn, from the user's message to the stored answer.
//!
//! It runs in a task of its own, which goes on when the client goes away: the answer is stored, and
//! a page that is loaded again shows it. The process waits for these tasks when it ends.
//!
//! What happens is written to a [`Log`], which everyone reads who wants to see it: the client that
//! asked, one that comes back, and [`Tail`], through which other replicas see it.

mod running;

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut};
use chatbot_api::turns::{CANCELLED, ChatIn, EventId, TurnEvent, TurnOut};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::context::Shutdown;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use futures::{StreamExt as _, stream};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::elsewhere;
use crate::log::{Event, Events, Log, Writer};
use crate::metrics::Metrics;
use crate::model::{Ending, Failure, Model, Question, Said};
use crate::prompt;
use crate::storage::Storage;
use crate::tail::Tail;
use running::Running;

/// Messages of history to ask storage for; the budget of the prompt takes fewer.
const HISTORY: u32 = 200;

/// Longest answer, in time: a model that drips for ever must not.
const LONGEST: Duration = Duration::from_secs(600);

/// Longest answer, in bytes: below what storage takes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Runs turns. Clones share everything.
pub struct Turns<M, S> {
    inner: Arc<Inner<M, S>>,
}

impl<M, S> Clone for Turns<M, S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

struct Inner<M, S> {
    model: M,
    storage: S,
    system_prompt: Option<String>,
    metrics: Metrics,
    shutdown: Shutdown,
    tasks: TaskTracker,
    running: Running,
    tail: Option<Tail>,
}

/// The storage within the whole, for what lives longer than a borrow.
struct Shared<M, S>(Arc<Inner<M, S>>);

impl<M, S> AsRef<S> for Shared<M, S> {
    fn as_ref(&self) -> &S {
        &self.0.storage
    }
}

/// A turn that was asked for.
struct Turn {
    caller: Caller,
    key: IdempotencyKey,
    request: ChatIn,
}

/// A turn that was begun.
struct Begun {
    /// What is to be asked, and where the answer is written; nothing when there is an answer.
    question: Option<(Question, Writer)>,
    turn: Uuid,
    /// For the one who asked.
    events: Events,
}

impl<M: Model, S: Storage> Turns<M, S> {
    /// Makes what runs turns; `tail` is how other replicas see them.
    pub fn new(
        model: M,
        storage: S,
        system_prompt: Option<String>,
        metrics: Metrics,
        shutdown: Shutdown,
        tail: Option<Tail>,
    ) -> Self {
        let tasks = TaskTracker::new();
        Self {
            inner: Arc::new(Inner {
                model,
                storage,
                system_prompt,
                metrics,
                shutdown,
                tasks,
                running: Running::default(),
                tail,
            }),
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.inner.model
    }

    /// Begins a turn and gives its events, to the end. When nobody reads them, it goes on.
    ///
    /// # Errors
    /// The message was not stored.
    pub async fn start(
        &self,
        caller: Caller,
        key: IdempotencyKey,
        request: ChatIn,
    ) -> Result<Events, ApiError> {
        let (tell, begun) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        let session = self.inner.shutdown.session();
        let task = async move {
            let turn = Turn {
                caller,
                key,
                request,
            };
            inner.run(&turn, tell).await;
            drop(session);
        };
        self.inner.tasks.spawn(task.in_current_span());
        // A task that ended without a word has panicked.
        begun.await.unwrap_or_else(|_| Err(ApiError::defect()))
    }

    /// Goes on with a turn after the event named, wherever its answer is made.
    ///
    /// # Errors
    /// 404 when the caller has no such turn.
    pub async fn resume(
        &self,
        caller: Caller,
        turn: Uuid,
        after: Option<EventId>,
    ) -> Result<Events, ApiError> {
        if let Some(log) = self.own(&caller, turn)?
            && after.is_none_or(|after| after.attempt <= log.attempt())
        {
            return Ok(log.read(after));
        }
        let state = self.inner.storage.turn(&caller, turn).await?;
        if let Some(turn) = state.finished {
            let event = TurnEvent::Done { turn };
            return Ok(stream::iter([Event { id: None, event }]).boxed());
        }
        let storage = Shared(Arc::clone(&self.inner));
        let tail = self.inner.tail.clone();
        Ok(elsewhere::follow(storage, tail, caller, turn, after))
    }

    /// Stops the answer of a turn, wherever it is made; one that is there stays as it is.
    ///
    /// # Errors
    /// 404 when the caller has no such turn; 503 when another process makes the answer and cannot be told.
    pub async fn cancel(&self, caller: Caller, turn: Uuid) -> Result<(), ApiError> {
        if let Some(log) = self.own(&caller, turn)? {
            log.cancel();
            return Ok(());
        }
        let state = self.inner.storage.turn(&caller, turn).await?;
        if state.finished.is_some() {
            return Ok(());
        }
        let told = match &self.inner.tail {
            Some(tail) => tail.cancel(turn).await.is_ok(),
            None => false,
        };
        if told {
            return Ok(());
        }
        Err(ApiError::unavailable(
            "another process makes this answer and cannot be told to stop; try again",
        ))
    }

    /// The log of a turn that this process answers; 404 when it is not the caller's.
    fn own(&self, caller: &Caller, turn: Uuid) -> Result<Option<Arc<Log>>, ApiError> {
        match self.inner.running.get(turn) {
            Some(log) if log.user() != caller.user => Err(ApiError::not_found("this turn")),
            log => Ok(log),
        }
    }

    /// Waits until no turn runs.
    pub async fn idle(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.tasks.reopen();
    }
}

impl<M: Model, S: Storage> Inner<M, S> {
    async fn run(&self, turn: &Turn, tell: oneshot::Sender<Result<Events, ApiError>>) {
        let begun = match self.begin(turn).await {
            Ok(begun) => begun,
            Err(error) => {
                self.metrics.turn(Some(error.code));
                // A client that went away changes nothing, here and below.
                let _ = tell.send(Err(error));
                return;
            }
        };
        let Begun {
            question,
            turn: id,
            events,
        } = begun;
        // Before anybody can ask for it.
        let _registered = question
            .as_ref()
            .map(|(_, writer)| self.running.register(id, writer.log()));
        let _ = tell.send(Ok(events));
        let Some((question, writer)) = question else {
            self.metrics.turn(None);
            return;
        };
        if let Some(tail) = self.tail.clone() {
            let log = Arc::clone(writer.log());
            self.tasks.spawn(async move { tail.mirror(id, log).await });
        }
        let end = self.answer(turn, id, question, &writer).await;
        self.metrics
            .turn(end.as_ref().err().map(|error| error.code));
        writer.push(match end {
            Ok(done) => TurnEvent::Done {
                turn: Box::new(done),
            },
            Err(error) => TurnEvent::Error {
                error: error.detail(),
            },
        });
    }

    async fn begin(&self, turn: &Turn) -> Result<Begun, ApiError> {
        let begin = BeginTurnIn {
            conversation_id: turn.request.conversation_id,
            message: turn.request.message.clone(),
            history_limit: HISTORY,
        };
        let BeginTurnOut {
            message,
            attempt,
            history,
            finished,
        } = self.storage.begin(&turn.caller, &turn.key, &begin).await?;
        let id = message.turn_id;
        if let Some(done) = finished {
            return Ok(Begun {
                question: None,
                turn: id,
                events: recorded(*done),
            });
        }
        let question = Question {
            lines: prompt::build(self.system_prompt.as_deref(), &history, &message),
            model: turn.request.model.clone(),
        };
        let writer = Writer::new(turn.caller.user, attempt);
        writer.push(TurnEvent::Accepted { message });
        Ok(Begun {
            events: writer.log().read(None),
            question: Some((question, writer)),
            turn: id,
        })
    }

    async fn answer(
        &self,
        turn: &Turn,
        id: Uuid,
        question: Question,
        writer: &Writer,
    ) -> Result<TurnOut, ApiError> {
        let answering = self.generate(question, writer);
        let answer = tokio::time::timeout(LONGEST, answering)
            .await
            .unwrap_or(Err(Failure::Timeout))?;
        self.storage.answer(&turn.caller, id, &answer).await
    }

    async fn generate(&self, question: Question, writer: &Writer) -> Result<AnswerIn, Failure> {
        let log = writer.log();
        let mut model = self.model.name(&question);
        let mut said = self.model.answer(question);
        let mut content = String::new();
        let mut call = self.metrics.call();
        loop {
            let next = tokio::select! {
                biased;
                // Dropping the stream ends the call of the model.
                () = log.cancelled() => Some(Ok(Said::End(Ending {
                    model: std::mem::take(&mut model),
                    finish_reason: CANCELLED.to_owned(),
                    usage: None,
                }))),
                next = said.next() => next,
            };
            match next {
                Some(Ok(Said::Text(text))) => {
                    call.first_piece();
                    content.push_str(&text);
                    if content.len() > LARGEST {
                        return Err(Failure::Failed("its answer does not end".to_owned()));
                    }
                    writer.push(TurnEvent::Delta { content: text });
                }
                Some(Ok(Said::End(end))) => {
                    self.metrics.tokens(end.usage);
                    // Columns have limits, and a name is only for people here.
                    let model = end.model.chars().take(128).collect();
                    let finish_reason = end.finish_reason.chars().take(32).collect();
                    return Ok(AnswerIn {
                        attempt: log.attempt(),
                        content,
                        model,
                        finish_reason,
                        usage: end.usage,
                    });
                }
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::Failed("it broke its answer off".to_owned())),
            }
        }
    }
}

/// A repeated request gets the stored answer, in the shape it asked for.
fn recorded(done: TurnOut) -> Events {
    let events = [
        TurnEvent::Accepted {
            message: done.message.clone(),
        },
        TurnEvent::Delta {
            content: done.answer.content.clone(),
        },
        TurnEvent::Done {
            turn: Box::new(done),
        },
    ];
    stream::iter(events.map(|event| Event { id: None, event })).boxed()
}
