//! The stand-in for Groq, a storage in memory, and turns over both.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use chatbot_api::conversations::{MessageOut, Role};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut, TurnStateOut};
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use chatbot_chat::log::Events;
use chatbot_chat::metrics::Metrics;
use chatbot_chat::model::{ApiKey, OpenAi, OpenAiConfig};
use chatbot_chat::storage::Storage;
use chatbot_chat::tail::Tail;
use chatbot_chat::turns::Turns;
use chatbot_contract::Workload;
use chatbot_runtime::auth::Caller;
use chatbot_runtime::context::Context;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::request_id::RequestId;
use chatbot_testkit::groq::{Groq, Serving};
use futures::StreamExt as _;
use uuid::Uuid;

/// Storage in memory: one conversation, which keeps what it is told.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    inner: Arc<Mutex<Kept>>,
}

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) messages: Vec<MessageOut>,
    pub(crate) answers: Vec<AnswerIn>,
    finished: Vec<(String, TurnOut)>,
    /// Key, message and newest attempt of each turn.
    begun: Vec<(String, MessageOut, u32)>,
    /// What the next answer is refused with.
    pub(crate) refuse_answer: Option<ErrorCode>,
    /// What the next message is refused with.
    pub(crate) refuse_begin: Option<ErrorCode>,
}

impl Memory {
    pub(crate) fn with<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.inner.lock().unwrap())
    }
}

fn message(seq: usize, turn_id: Uuid, role: Role, content: &str) -> MessageOut {
    MessageOut {
        id: Uuid::now_v7(),
        conversation_id: Uuid::nil(),
        turn_id,
        seq: u64::try_from(seq).unwrap(),
        role,
        content: content.to_owned(),
        model: None,
        created_at: jiff::Timestamp::now(),
    }
}

impl Storage for Memory {
    async fn begin(
        &self,
        _: &Caller,
        key: &IdempotencyKey,
        turn: &BeginTurnIn,
    ) -> Result<BeginTurnOut, ApiError> {
        self.with(|kept| {
            if let Some(code) = kept.refuse_begin.take() {
                return Err(ApiError::new(code, "refused"));
            }
            if let Some((_, done)) = kept
                .finished
                .iter()
                .find(|(finished, _)| finished == key.as_str())
            {
                let finished = Some(Box::new(done.clone()));
                return Ok(BeginTurnOut {
                    message: done.message.clone(),
                    attempt: 1,
                    history: Vec::new(),
                    finished,
                });
            }
            if let Some((_, stored, attempt)) = kept.begun.iter_mut().find(|b| b.0 == key.as_str())
            {
                *attempt += 1;
                return Ok(BeginTurnOut {
                    message: stored.clone(),
                    attempt: *attempt,
                    history: Vec::new(),
                    finished: None,
                });
            }
            let history = kept.messages.clone();
            let stored = message(history.len() + 1, Uuid::now_v7(), Role::User, &turn.message);
            kept.messages.push(stored.clone());
            kept.begun
                .push((key.as_str().to_owned(), stored.clone(), 1));
            Ok(BeginTurnOut {
                message: stored,
                attempt: 1,
                history,
                finished: None,
            })
        })
    }

    async fn turn(&self, caller: &Caller, turn: Uuid) -> Result<TurnStateOut, ApiError> {
        self.with(|kept| {
            if caller.user != Uuid::nil() || kept.messages.iter().all(|m| m.turn_id != turn) {
                return Err(ApiError::not_found("this turn"));
            }
            let finished = kept
                .finished
                .iter()
                .find(|(_, done)| done.message.turn_id == turn);
            Ok(TurnStateOut {
                finished: finished.map(|(_, done)| Box::new(done.clone())),
            })
        })
    }

    async fn answer(&self, _: &Caller, turn: Uuid, answer: &AnswerIn) -> Result<TurnOut, ApiError> {
        self.with(|kept| {
            if let Some(code) = kept.refuse_answer.take() {
                return Err(ApiError::new(code, "refused"));
            }
            if kept
                .begun
                .iter()
                .any(|begun| begun.1.turn_id == turn && begun.2 > answer.attempt)
            {
                return Err(ApiError::new(ErrorCode::Superseded, "a newer attempt"));
            }
            kept.answers.push(answer.clone());
            let asked = kept
                .messages
                .iter()
                .position(|message| message.turn_id == turn)
                .unwrap();
            let stored = message(
                kept.messages.len() + 1,
                turn,
                Role::Assistant,
                &answer.content,
            );
            kept.messages.push(stored.clone());
            let done = TurnOut {
                message: kept.messages[asked].clone(),
                answer: stored,
                finish_reason: answer.finish_reason.clone(),
                usage: answer.usage,
            };
            let begun = kept.begun.iter().find(|begun| begun.1.turn_id == turn);
            let key = begun.unwrap().0.clone();
            kept.finished.push((key, done.clone()));
            Ok(done)
        })
    }
}

pub(crate) struct Fixture {
    pub(crate) groq: Serving,
    pub(crate) memory: Memory,
    pub(crate) turns: Turns<OpenAi, Memory>,
    pub(crate) model: OpenAi,
    pub(crate) key_file: tempfile::NamedTempFile,
}

/// The binary does this first.
pub(crate) fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
    });
}

pub(crate) fn config(base_url: &str, key_file: Option<PathBuf>) -> OpenAiConfig {
    OpenAiConfig {
        base_url: base_url.parse().unwrap(),
        api_key: key_file.map(ApiKey::File),
        model: "llama-3.3-70b-versatile".to_owned(),
        fallback_models: Vec::new(),
        temperature: Some(0.5),
        max_completion_tokens: Some(100),
        patience: Duration::from_secs(20),
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut OpenAiConfig)) -> Self {
        install_tls();
        let groq = Groq::new(Some("right".to_owned())).serve().await.unwrap();
        let key_file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key_file.path(), "right\n").unwrap();
        let mut config = config(&groq.base_url(), Some(key_file.path().to_owned()));
        change(&mut config);
        let model = OpenAi::new(config).unwrap();
        let memory = Memory::default();
        let context = Context::new(Workload::Chat);
        let metrics = Metrics::new(&context.metrics);
        let system = Some("be brief".to_owned());
        let turns = Turns::new(
            model.clone(),
            memory.clone(),
            system,
            metrics,
            context.shutdown,
            None,
        );
        Self {
            groq,
            memory,
            turns,
            model,
            key_file,
        }
    }

    /// Another replica, over the same storage.
    pub(crate) fn replica(&self, tail: Option<Tail>) -> Turns<OpenAi, Memory> {
        let context = Context::new(Workload::Chat);
        let metrics = Metrics::new(&context.metrics);
        Turns::new(
            self.model.clone(),
            self.memory.clone(),
            None,
            metrics,
            context.shutdown,
            tail,
        )
    }

    pub(crate) async fn start(
        &self,
        key: &str,
        message: &str,
        model: Option<&str>,
    ) -> Result<Events, ApiError> {
        let request = ChatIn {
            conversation_id: None,
            message: message.to_owned(),
            model: model.map(str::to_owned),
            stream: true,
        };
        let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
        self.turns.start(caller(), key, request).await
    }

    /// Runs a turn to its end.
    pub(crate) async fn turn(&self, message: &str) -> Turn {
        self.turn_with(message, None).await
    }

    pub(crate) async fn turn_with(&self, message: &str, model: Option<&str>) -> Turn {
        collect(
            self.start(&Uuid::now_v7().to_string(), message, model)
                .await,
        )
        .await
    }
}

/// What was seen of a turn.
pub(crate) struct Turn {
    pub(crate) accepted: bool,
    pub(crate) deltas: Vec<String>,
    pub(crate) end: Result<TurnOut, ApiError>,
}

/// The one user.
pub(crate) fn caller() -> Caller {
    Caller {
        user: Uuid::nil(),
        request_id: RequestId::new(),
    }
}

pub(crate) async fn collect(events: Result<Events, ApiError>) -> Turn {
    let (mut accepted, mut deltas) = (false, Vec::new());
    let mut events = match events {
        Ok(events) => events,
        Err(error) => {
            return Turn {
                accepted,
                deltas,
                end: Err(error),
            };
        }
    };
    while let Some(next) = events.next().await {
        let end = match next.event {
            TurnEvent::Accepted { .. } => {
                accepted = true;
                continue;
            }
            TurnEvent::Delta { content } => {
                deltas.push(content);
                continue;
            }
            TurnEvent::Restarted {} => panic!("only the gateway says so"),
            TurnEvent::Done { turn } => Ok(*turn),
            TurnEvent::Error { error } => Err(error.into()),
        };
        return Turn {
            accepted,
            deltas,
            end,
        };
    }
    panic!("the turn ended without a last word");
}
