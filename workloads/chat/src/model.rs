//! The port to a language model: what it is asked, what it says, how it fails.

mod echo;
mod openai;

use std::time::Duration;

use chatbot_api::error::ErrorCode;
use chatbot_api::turns::Usage;
use chatbot_contract::report::Dependency;
use chatbot_runtime::error::ApiError;
use futures::stream::BoxStream;

pub use echo::Echo;
pub use openai::{ApiKey, OpenAi, OpenAiConfig};

/// Who speaks in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The deployment's instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// Who speaks.
    #[serde(rename = "role")]
    pub speaker: Speaker,
    /// Text.
    pub content: String,
}

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The conversation, the newest message last.
    pub lines: Vec<Line>,
    /// The model the user asked for; the deployment's own otherwise.
    pub model: Option<String>,
}

/// What a model says, bit by bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Text to append.
    Text(String),
    /// The end; nothing comes after it.
    End(Ending),
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The model that wrote it.
    pub model: String,
    /// Why it ended.
    pub finish_reason: String,
    /// Tokens, where they were told.
    pub usage: Option<Usage>,
}

/// Why there is no answer, or no whole one. The texts are for the user and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The key is missing or refused, or the deployment's model does not exist: an administrator must act.
    #[error("the language model is not set up: {0}")]
    Misconfigured(String),
    /// The user asked for a model that does not exist.
    #[error("there is no model `{0}`; leave `model` out to use the default one")]
    NoSuchModel(String),
    /// The conversation is larger than the model takes.
    #[error("the conversation is too large for the language model; start a new one")]
    TooLarge,
    /// The model API's limit is reached.
    #[error("the limit of the language model is reached; try again later")]
    RateLimited {
        /// When to come back, where it was told.
        retry_after: Option<Duration>,
    },
    /// The model API refused or failed.
    #[error("the language model failed: {0}")]
    Failed(String),
    /// Nothing came in time.
    #[error("the language model did not answer in time")]
    Timeout,
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::Misconfigured(_) => Self::new(ErrorCode::ModelMisconfigured, message),
            Failure::NoSuchModel(_) => Self::invalid("model", message),
            Failure::TooLarge => Self::new(ErrorCode::TooLarge, message),
            Failure::RateLimited { retry_after } => {
                let error = Self::new(ErrorCode::ModelRateLimited, message);
                match retry_after {
                    Some(after) => error.retry_after(after),
                    None => error,
                }
            }
            Failure::Failed(_) => Self::new(ErrorCode::ModelFailed, message),
            Failure::Timeout => Self::new(ErrorCode::ModelTimeout, message),
        }
    }
}

/// A language model.
pub trait Model: Send + Sync + 'static {
    /// Answers. The stream ends with [`Said::End`] or a failure; dropping it ends the call.
    fn answer(&self, question: Question) -> BoxStream<'static, Result<Said, Failure>>;

    /// The model that is asked first.
    fn name(&self, question: &Question) -> String;

    /// Says how the model is.
    fn probe(&self) -> impl Future<Output = Dependency> + Send;
}
