//! Models behind an OpenAI-compatible HTTP interface; Groq above all.
//!
//! Before the first piece of an answer a failed call is tried again, or another model is asked
//! ([`retry`]); after it, a failure ends the answer. The API key's file is read for each call, so
//! that a corrected Secret is used without a restart. Neither the key nor what users write is logged.

mod call;
mod probe;
mod retry;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::report::Dependency;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::RequestBuilder;
use url::Url;

use super::{Ending, Failure, Line, Model, Question, Said};
use call::Events;
use retry::Next;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The key of a model API.
#[derive(Clone)]
pub enum ApiKey {
    /// A file with it, read for each call.
    File(PathBuf),
    /// As the process was given it.
    Text(Arc<str>),
}

/// A key is never shown.
impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(…)"),
        }
    }
}

/// Settings of a model API.
#[derive(Clone, Debug)]
pub struct OpenAiConfig {
    /// Base URL, up to and without `/chat/completions`.
    pub base_url: Url,
    /// Its key; none for an API that asks for none.
    pub api_key: Option<ApiKey>,
    /// The deployment's model.
    pub model: String,
    /// Models to ask when it cannot be used.
    pub fallback_models: Vec<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Most tokens of an answer.
    pub max_completion_tokens: Option<u32>,
    /// How long to wait for the first piece, and between two.
    pub patience: Duration,
}

/// A model API. Clones share its connections.
#[derive(Clone)]
pub struct OpenAi {
    inner: Arc<Inner>,
}

struct Inner {
    config: OpenAiConfig,
    http: reqwest::Client,
}

impl OpenAi {
    /// Makes the way to a model API.
    ///
    /// # Errors
    /// Fails when there are no certificates to check the API's with, or no TLS provider.
    pub fn new(config: OpenAiConfig) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_idle_timeout(Duration::from_secs(60))
            // The key goes to the host it was meant for and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("chatbot/", env!("CARGO_PKG_VERSION")));
        if config.base_url.scheme() == "http" {
            // An API inside the cluster needs no certificates.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build()?;
        Ok(Self {
            inner: Arc::new(Inner { config, http }),
        })
    }
}

impl Inner {
    fn url(&self, path: &str) -> String {
        format!(
            "{}/{path}",
            self.config.base_url.as_str().trim_end_matches('/')
        )
    }

    /// The API's host, for messages.
    fn host(&self) -> &str {
        self.config.base_url.host_str().unwrap_or("the model API")
    }

    /// Adds the key as it is now.
    async fn authorize(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        Ok(match &self.config.api_key {
            None => request,
            Some(ApiKey::Text(key)) => request.bearer_auth(key),
            Some(ApiKey::File(path)) => request.bearer_auth(read_key(path).await?),
        })
    }

    /// Asks one model, once.
    async fn ask(&self, model: &str, lines: &[Line]) -> Result<Events, retry::Refusal> {
        let body = wire::Body::new(&self.config, model, lines);
        let request = self.http.post(self.url("chat/completions")).json(&body);
        let request = self
            .authorize(request)
            .await
            .map_err(retry::Refusal::Final)?;
        call::open(request, self.config.patience).await
    }

    /// Asks until a model begins to answer, or nothing more can be tried.
    async fn begin(&self, question: &Question) -> Result<(String, Events), Failure> {
        let asked_for = question
            .model
            .as_ref()
            .filter(|model| **model != self.config.model);
        // Who asks for a model by name gets that one or none.
        let models: Vec<&String> = match asked_for {
            Some(model) => vec![model],
            None => std::iter::once(&self.config.model)
                .chain(&self.config.fallback_models)
                .collect(),
        };
        let mut first_failure = None;
        for (index, model) in models.iter().enumerate() {
            let another = index + 1 < models.len();
            let mut attempt = 0;
            loop {
                let refusal = match self.ask(model, &question.lines).await {
                    Ok(events) => return Ok(((*model).clone(), events)),
                    Err(refusal) => refusal,
                };
                let next = retry::next(&refusal, attempt, another);
                tracing::warn!(
                    model,
                    attempt,
                    next = next.name(),
                    reason = refusal.reason(),
                    "the model API said no"
                );
                match next {
                    Next::Again(delay) => tokio::time::sleep(delay).await,
                    // The first model's failure says most: it is the one that was wanted.
                    Next::AnotherModel => {
                        first_failure
                            .get_or_insert_with(|| refusal.failure(model, asked_for.is_some()));
                        break;
                    }
                    Next::GiveUp => {
                        let failure = refusal.failure(model, asked_for.is_some());
                        return Err(first_failure.unwrap_or(failure));
                    }
                }
                attempt += 1;
            }
        }
        Err(first_failure.unwrap_or_else(|| Failure::Misconfigured("no model is given".to_owned())))
    }
}

impl Model for OpenAi {
    fn answer(&self, question: Question) -> BoxStream<'static, Result<Said, Failure>> {
        let inner = Arc::clone(&self.inner);
        async_stream::try_stream! {
            let (model, mut events) = inner.begin(&question).await?;
            let mut end = Ending { model, finish_reason: String::new(), usage: None };
            while let Some(chunk) = events.next().await? {
                if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
                    end.model = model;
                }
                end.usage = wire::usage(chunk.usage, chunk.x_groq).or(end.usage);
                for choice in chunk.choices {
                    if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                        yield Said::Text(text);
                    }
                    if let Some(reason) = choice.finish_reason {
                        end.finish_reason = reason;
                    }
                }
            }
            if end.finish_reason.is_empty() {
                Err(Failure::Failed("it broke its answer off".to_owned()))?;
            }
            yield Said::End(end);
        }
        .boxed()
    }

    fn name(&self, question: &Question) -> String {
        let own = || self.inner.config.model.clone();
        question.model.clone().unwrap_or_else(own)
    }

    async fn probe(&self) -> Dependency {
        probe::probe(&self.inner).await
    }
}

async fn read_key(path: &Path) -> Result<String, Failure> {
    let missing = |problem: &str| Failure::Misconfigured(format!("the API key {problem}"));
    let key = tokio::fs::read_to_string(path)
        .await
        .map_err(|_| missing("cannot be read"))?;
    let key = key.trim();
    if key.is_empty() {
        Err(missing("is empty"))
    } else {
        Ok(key.to_owned())
    }
}
