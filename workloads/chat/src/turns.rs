//! A turn, from the user's message to the stored answer.
//!
//! It runs in a task of its own, which goes on when the client goes away: the answer is stored, and
//! a page that is loaded again shows it. The process waits for these tasks when it ends.

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::conversations::MessageOut;
use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut};
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::context::Shutdown;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::model::{Failure, Model, Question, Said};
use crate::prompt;
use crate::storage::Storage;

/// Messages of history to ask storage for; the budget of the prompt takes fewer.
const HISTORY: u32 = 200;

/// Longest answer, in time: a model that drips for ever must not.
const LONGEST: Duration = Duration::from_secs(600);

/// Longest answer, in bytes: below what storage takes.
const LARGEST: usize = 4 * 1024 * 1024;

/// What happens in a turn.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The user's message is stored.
    Accepted(MessageOut),
    /// A piece of the answer.
    Delta(String),
    /// The answer is stored.
    Done(Box<TurnOut>),
    /// The turn failed; the last thing that happens.
    Failed(ApiError),
}

impl From<Progress> for TurnEvent {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Accepted(message) => Self::Accepted { message },
            Progress::Delta(content) => Self::Delta { content },
            Progress::Done(turn) => Self::Done { turn },
            Progress::Failed(error) => Self::Error {
                error: error.detail(),
            },
        }
    }
}

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
}

/// A turn that was asked for.
struct Turn {
    caller: Caller,
    key: IdempotencyKey,
    request: ChatIn,
    progress: mpsc::UnboundedSender<Progress>,
}

impl<M: Model, S: Storage> Turns<M, S> {
    /// Makes what runs turns.
    pub fn new(
        model: M,
        storage: S,
        system_prompt: Option<String>,
        metrics: Metrics,
        shutdown: Shutdown,
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
            }),
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.inner.model
    }

    /// Begins a turn; what happens in it is received, to the end. When nobody receives, it goes on.
    ///
    /// The channel holds at most one answer, so it needs no other bound.
    #[must_use = "the turn runs, and somebody wants to see it"]
    pub fn start(
        &self,
        caller: Caller,
        key: IdempotencyKey,
        request: ChatIn,
    ) -> mpsc::UnboundedReceiver<Progress> {
        let (progress, received) = mpsc::unbounded_channel();
        let inner = Arc::clone(&self.inner);
        let session = self.inner.shutdown.session();
        let task = async move {
            let turn = Turn {
                caller,
                key,
                request,
                progress,
            };
            let end = match inner.run(&turn).await {
                Ok(done) => Progress::Done(Box::new(done)),
                Err(error) => Progress::Failed(error),
            };
            inner.metrics.turn(&end);
            turn.tell(end);
            drop(session);
        };
        self.inner.tasks.spawn(task.in_current_span());
        received
    }

    /// Waits until no turn runs.
    pub async fn idle(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.tasks.reopen();
    }
}

impl Turn {
    /// Tells whoever still listens.
    fn tell(&self, progress: Progress) {
        // A client that went away changes nothing.
        let _ = self.progress.send(progress);
    }
}

impl<M: Model, S: Storage> Inner<M, S> {
    async fn run(&self, turn: &Turn) -> Result<TurnOut, ApiError> {
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
        turn.tell(Progress::Accepted(message.clone()));
        if let Some(finished) = finished {
            // A repeated request gets the stored answer, in the shape it asked for.
            turn.tell(Progress::Delta(finished.answer.content.clone()));
            return Ok(*finished);
        }
        let lines = prompt::build(self.system_prompt.as_deref(), &history, &message);
        let question = Question {
            lines,
            model: turn.request.model.clone(),
        };
        let answering = self.generate(turn, question, attempt);
        let answer = tokio::time::timeout(LONGEST, answering)
            .await
            .unwrap_or(Err(Failure::Timeout))?;
        self.storage
            .answer(&turn.caller, message.turn_id, &answer)
            .await
    }

    async fn generate(
        &self,
        turn: &Turn,
        question: Question,
        attempt: u32,
    ) -> Result<AnswerIn, Failure> {
        let mut said = self.model.answer(question);
        let mut content = String::new();
        let mut call = self.metrics.call();
        while let Some(next) = said.next().await {
            match next? {
                Said::Text(text) => {
                    call.first_piece();
                    content.push_str(&text);
                    if content.len() > LARGEST {
                        return Err(Failure::Failed("its answer does not end".to_owned()));
                    }
                    turn.tell(Progress::Delta(text));
                }
                Said::End(end) => {
                    self.metrics.tokens(end.usage);
                    // Columns have limits, and a name is only for people here.
                    let model = end.model.chars().take(128).collect();
                    let finish_reason = end.finish_reason.chars().take(32).collect();
                    return Ok(AnswerIn {
                        attempt,
                        content,
                        model,
                        finish_reason,
                        usage: end.usage,
                    });
                }
            }
        }
        Err(Failure::Failed("it broke its answer off".to_owned()))
    }
}
