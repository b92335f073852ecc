//! The bodies of the API.

use chatbot_api::turns::Usage;
use serde::{Deserialize, Serialize};

use super::OpenAiConfig;
use crate::model::Line;

/// Body of a request.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: &'a [Line],
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Body<'a> {
    pub(super) const fn new(config: &OpenAiConfig, model: &'a str, messages: &'a [Line]) -> Self {
        Self {
            model,
            messages,
            stream: true,
            // Groq tells the usage anyway; others only when they are asked.
            stream_options: StreamOptions {
                include_usage: true,
            },
            temperature: config.temperature,
            max_completion_tokens: config.max_completion_tokens,
        }
    }
}

/// One chunk of a stream (`chat.completion.chunk`), or an error in its place.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    #[serde(default)]
    pub(super) usage: Option<Tokens>,
    #[serde(default)]
    pub(super) x_groq: Option<XGroq>,
    #[serde(default)]
    pub(super) error: Option<ErrorObject>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) delta: Delta,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub(super) content: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// What Groq adds to a chunk.
#[derive(Debug, Deserialize)]
pub(super) struct XGroq {
    #[serde(default)]
    pub(super) usage: Option<Tokens>,
    /// "The stream was stopped early", and why.
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// Body of an error.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorObject,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorObject {
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) code: Option<serde_json::Value>,
}

impl ErrorObject {
    /// The code as text; some APIs send a number.
    pub(super) fn code(&self) -> Option<String> {
        match self.code.as_ref()? {
            serde_json::Value::String(code) => Some(code.clone()),
            serde_json::Value::Number(code) => Some(code.to_string()),
            _ => None,
        }
    }

    /// The message, short enough to pass on.
    pub(super) fn message(&self) -> String {
        let message = self.message.as_deref().unwrap_or("it gave no reason");
        message.chars().take(300).collect()
    }
}

/// Body of the list of models.
#[derive(Debug, Deserialize)]
pub(super) struct Models {
    pub(super) data: Vec<ModelObject>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelObject {
    pub(super) id: String,
}

/// The tokens that a chunk tells, in either place.
pub(super) fn usage(usage: Option<Tokens>, x_groq: Option<XGroq>) -> Option<Usage> {
    let Tokens {
        prompt_tokens,
        completion_tokens,
    } = usage.or_else(|| x_groq.and_then(|x_groq| x_groq.usage))?;
    Some(Usage {
        prompt_tokens,
        completion_tokens,
    })
}
