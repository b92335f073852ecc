//! Generates answers: builds the prompt, calls the model, streams.
//!
//! [`turns::Turns`] is the domain; [`model::Model`] and [`storage::Storage`] are its ports; [`http`]
//! is its interface. [`tail::Tail`] shows running answers to other replicas, where there is Redis.

mod config;
mod elsewhere;
pub mod http;
pub mod log;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod storage;
pub mod tail;
pub mod turns;

use std::time::Duration;

use chatbot_contract::report::DependencyState;
use chatbot_contract::{Workload, environment};
use chatbot_runtime::auth::InternalAuth;
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::config::{ConfigError, secret_key};
use chatbot_runtime::context::Context;
use chatbot_runtime::health::Health;
use chatbot_runtime::redis::{self, Redis};
use chatbot_runtime::serve::Service;
use chatbot_runtime::telemetry;

pub use config::{Config, Llm, Provider};
use http::AppState;
use metrics::Metrics;
use model::{Echo, Model, OpenAi};
use tail::Tail;
use turns::Turns;

/// Time between two looks at the model while all is well.
const CALM: Duration = Duration::from_secs(30);

/// Time between two looks while it is not.
const TROUBLED: Duration = Duration::from_secs(5);

/// Wires the workload.
///
/// # Errors
/// Fails when a setting cannot be used.
pub fn service(config: Config, context: &Context) -> Result<Service, ConfigError> {
    let Config {
        auth,
        storage_url,
        llm,
        redis,
    } = config;
    let redis = Redis::new(redis);
    let tail = match redis.clone() {
        Some(redis) => {
            let key = secret_key(environment::INTERNAL_KEY_FILE, &auth.internal_key_file)?;
            Some(Tail::new(redis, &key))
        }
        None => None,
    };
    let auth = InternalAuth::load(&auth, context.workload)?;
    let storage = Client::new(client::http(), Workload::Storage, storage_url, auth.clone());
    let service = wire(llm, storage, tail, auth, context)?;
    Ok(redis::watched(service, redis, &context.health))
}

/// Wires the workload with a way to storage of the caller's, and one to other replicas where there
/// are any.
///
/// # Errors
/// Fails when a setting of the model cannot be used.
pub fn wire(
    llm: Llm,
    storage: Client,
    tail: Option<Tail>,
    auth: InternalAuth,
    context: &Context,
) -> Result<Service, ConfigError> {
    let system_prompt = llm.system_prompt.clone().filter(|text| !text.is_empty());
    let parts = (storage, tail, system_prompt, auth);
    match llm.provider() {
        Provider::Echo => Ok(with_model(Echo, parts, context)),
        Provider::Groq | Provider::OpenAiCompatible => {
            let model = OpenAi::new(llm.api()?).map_err(|error| {
                let problem = format!("no client can be made for it: {}", telemetry::chain(&error));
                ConfigError::invalid(environment::LLM_BASE_URL, problem)
            })?;
            Ok(with_model(model, parts, context))
        }
    }
}

fn with_model<M: Model + Clone>(
    model: M,
    (storage, tail, system_prompt, auth): (Client, Option<Tail>, Option<String>, InternalAuth),
    context: &Context,
) -> Service {
    let metrics = Metrics::new(&context.metrics);
    let turns = Turns::new(
        model.clone(),
        storage,
        system_prompt,
        metrics,
        context.shutdown.clone(),
        tail,
    );
    let router = http::router(AppState { turns, auth });
    Service::new(router).background("model watch", watch(model, context.health.clone()))
}

/// Looks at the model for ever and reports what it sees; users meet its failures anyway, so a model
/// that is away does not make the process unready.
async fn watch(model: impl Model, health: Health) {
    loop {
        let seen = model.probe().await;
        let pause = if seen.state == DependencyState::Ok {
            CALM
        } else {
            TROUBLED
        };
        health.report(seen);
        tokio::time::sleep(pause).await;
    }
}
