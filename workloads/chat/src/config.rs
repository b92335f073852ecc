//! Settings of the chat workload.

use std::path::PathBuf;
use std::time::Duration;

use chatbot_contract::environment;
use chatbot_runtime::auth::InternalAuthConfig;
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::redis;
use url::Url;

use crate::model::{ApiKey, OpenAiConfig};

/// How long to wait for the first piece of an answer, and between two.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where Groq is.
const GROQ: &str = "https://api.groq.com/openai/v1";

/// The model of Groq that answers when none is named.
const GROQ_MODEL: &str = "llama-3.3-70b-versatile";

/// Settings of the chat workload.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The key of calls between workloads.
    #[command(flatten)]
    pub auth: InternalAuthConfig,
    /// Base URL of the storage workload.
    #[arg(long, env = environment::STORAGE_URL)]
    pub storage_url: Url,
    /// The model.
    #[command(flatten)]
    pub llm: Llm,
    /// The way to Redis.
    #[command(flatten)]
    pub redis: redis::Config,
}

/// Settings of the language model.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Llm {
    /// Who answers; Groq when absent.
    #[arg(id = "llm-provider", long = "llm-provider", env = environment::LLM_PROVIDER, value_enum)]
    pub provider: Option<Provider>,
    /// Base URL of the model API, up to and without `/chat/completions`; Groq's own when absent.
    #[arg(long = "llm-base-url", env = environment::LLM_BASE_URL)]
    pub base_url: Option<Url>,
    /// File with the API key.
    #[arg(long = "llm-api-key-file", env = environment::LLM_API_KEY_FILE)]
    pub api_key_file: Option<PathBuf>,
    /// The API key itself, for a process that is given it otherwise; the file goes first.
    #[arg(skip)]
    pub api_key: Option<ApiKey>,
    /// Model used when a request names none; Groq has a default.
    #[arg(long = "llm-model", env = environment::LLM_MODEL)]
    pub model: Option<String>,
    /// Models tried in order when one is unavailable.
    #[arg(long = "llm-fallback-models", env = environment::LLM_FALLBACK_MODELS, value_delimiter = ',')]
    pub fallback_models: Vec<String>,
    /// System prompt.
    #[arg(long = "llm-system-prompt", env = environment::LLM_SYSTEM_PROMPT)]
    pub system_prompt: Option<String>,
    /// Sampling temperature, 0 to 2.
    #[arg(long = "llm-temperature", env = environment::LLM_TEMPERATURE)]
    pub temperature: Option<f64>,
    /// Most tokens of one answer.
    #[arg(long = "llm-max-completion-tokens", env = environment::LLM_MAX_COMPLETION_TOKENS)]
    pub max_completion_tokens: Option<u32>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Provider {
    /// Groq.
    Groq,
    /// Any API with OpenAI's chat completions.
    #[value(name = "openai-compatible")]
    OpenAiCompatible,
    /// Nobody: answers are echoes.
    Echo,
}

impl Llm {
    /// Who answers.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider.unwrap_or(Provider::Groq)
    }

    /// What is needed to call a model API.
    ///
    /// # Errors
    /// Fails when the model or the URL is missing, or the temperature is out of range.
    pub(crate) fn api(&self) -> Result<OpenAiConfig, ConfigError> {
        let base_url = match (&self.base_url, self.provider()) {
            (Some(url), _) => url.clone(),
            (None, Provider::Groq) => Url::parse(GROQ).expect("the constant is a URL"),
            (None, _) => {
                return Err(ConfigError::invalid(
                    environment::LLM_BASE_URL,
                    "it is needed for this provider",
                ));
            }
        };
        if !matches!(base_url.scheme(), "http" | "https") {
            return Err(ConfigError::invalid(
                environment::LLM_BASE_URL,
                "it must be an http or https URL",
            ));
        }
        let model = match self.model.clone().filter(|model| !model.is_empty()) {
            Some(model) => model,
            None if self.provider() == Provider::Groq => GROQ_MODEL.to_owned(),
            None => {
                return Err(ConfigError::invalid(
                    environment::LLM_MODEL,
                    "it is needed for this provider",
                ));
            }
        };
        let file = self.api_key_file.clone().map(ApiKey::File);
        let api_key = file.or_else(|| self.api_key.clone());
        if let Some(temperature) = self.temperature
            && !(0.0..=2.0).contains(&temperature)
        {
            return Err(ConfigError::invalid(
                environment::LLM_TEMPERATURE,
                "it must be 0 to 2",
            ));
        }
        Ok(OpenAiConfig {
            base_url,
            api_key,
            model,
            fallback_models: self
                .fallback_models
                .iter()
                .filter(|model| !model.is_empty())
                .cloned()
                .collect(),
            temperature: self.temperature,
            max_completion_tokens: self.max_completion_tokens,
            patience: PATIENCE,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use clap::{CommandFactory as _, Parser as _};

    use super::Config;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        config: Config,
    }

    fn config(more: &[&str]) -> Config {
        let usual = [
            "chat",
            "--internal-key-file=/k",
            "--storage-url=http://storage:8080",
        ];
        Program::try_parse_from(usual.iter().chain(more))
            .unwrap()
            .config
    }

    #[test]
    fn the_settings_are_arguments_without_contradiction() {
        Program::command().debug_assert();
    }

    #[test]
    fn groq_knows_its_own_address_and_a_model() {
        let groq = config(&["--llm-model=m", "--llm-fallback-models=a,b"])
            .llm
            .api()
            .unwrap();
        assert_eq!(groq.base_url.host_str(), Some("api.groq.com"));
        assert_eq!(groq.fallback_models, ["a", "b"]);
        assert_eq!(config(&[]).llm.api().unwrap().model, super::GROQ_MODEL);
    }

    #[test]
    fn another_api_needs_an_address_and_a_model_and_a_temperature_is_bounded() {
        let other = "--llm-provider=openai-compatible";
        for lacking in ["--llm-model=m", "--llm-base-url=http://x"] {
            assert!(config(&[other, lacking]).llm.api().is_err());
        }
        assert!(
            config(&["--llm-model=m", "--llm-temperature=2.5"])
                .llm
                .api()
                .is_err()
        );
        assert!(
            config(&["--llm-model=m", "--llm-base-url=ftp://x"])
                .llm
                .api()
                .is_err()
        );
    }
}
