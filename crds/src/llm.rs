//! The language model: which, where, and how it is asked.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The language model.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.provider != 'Groq' || has(self.apiKey)").message("llm.apiKey is missing: provider Groq needs the name and key of a Secret with an API key"),
    validation = Rule::new("self.provider != 'OpenAICompatible' || has(self.baseUrl)").message("llm.baseUrl is missing: provider OpenAICompatible needs the URL of the API, up to and without /chat/completions"),
    validation = Rule::new("self.provider != 'OpenAICompatible' || has(self.model)").message("llm.model is missing: provider OpenAICompatible has no default model"),
    validation = Rule::new("self.provider != 'Echo' || (!has(self.apiKey) && !has(self.baseUrl))").message("llm.apiKey and llm.baseUrl have no use with provider Echo: leave them out")
)]
pub struct LlmSpec {
    /// Who answers: Groq, any API with OpenAI's `/chat/completions`, or Echo, which repeats the question.
    #[serde(default)]
    pub provider: Provider,

    /// URL of the API, up to and without `/chat/completions`; Groq's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isURL(self) && (self.startsWith('http://') || self.startsWith('https://'))").message("llm.baseUrl must be a URL that begins with http:// or https://"))]
    pub base_url: Option<String>,

    /// Model used when a request names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub model: Option<String>,

    /// Models tried in order while one is unavailable or at its limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub fallback_models: Vec<String>,

    /// Where the API key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretKey>,

    /// What the model is told before every conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16000))]
    pub system_prompt: Option<String>,

    /// Sampling temperature; the model's own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,

    /// Most tokens of one answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_completion_tokens: Option<i64>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Provider {
    /// api.groq.com.
    #[default]
    Groq,
    /// Any API with OpenAI's `/chat/completions`.
    #[serde(rename = "OpenAICompatible")]
    OpenAiCompatible,
    /// Repeats the question: to try the system without a model.
    Echo,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in it.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_key() -> String {
    "api-key".to_owned()
}
