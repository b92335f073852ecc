//! The public door: authentication, REST, WebSocket, the web page.
//!
//! It owns nothing durable: it checks who asks ([`tokens`]), passes requests on to the workload that
//! owns their subject, keeps a client's turn alive while the process that answers it changes
//! ([`turn`]), keeps everyone within limits ([`limit`]), tells each user what is new ([`events`]), and notes what was asked for.

mod accounts;
pub mod address;
mod chat;
mod conversations;
pub mod events;
pub mod limit;
pub mod openapi;
mod page;
mod requests;
mod socket;
mod sse;
mod stranger;
pub mod tokens;
pub mod turn;
mod usage;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{any, get, post};
use chatbot_api::{IDEMPOTENCY_KEY, LAST_EVENT_ID, REQUEST_ID};
use chatbot_contract::{Workload, environment};
use chatbot_runtime::auth::{InternalAuth, InternalAuthConfig};
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::context::{Context, Shutdown};
use chatbot_runtime::error::SHOULD_RETRY;
use chatbot_runtime::events::{Consumed, EventLog, KafkaConfig, KafkaLog};
use chatbot_runtime::redis::{self, Redis};
use chatbot_runtime::revocations::Revocations;
use chatbot_runtime::serve::Service;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use accounts::mailed;
use address::Addresses;
use events::Events;
use limit::Limits;
use requests::Requests;
use tokens::Tokens;
use turn::Turns;

/// Settings of the gateway.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The key of calls between workloads.
    #[command(flatten)]
    pub auth: InternalAuthConfig,
    /// Base URL of the user workload.
    #[arg(long, env = environment::USER_URL)]
    pub user_url: Url,
    /// Base URL of the chat workload.
    #[arg(long, env = environment::CHAT_URL)]
    pub chat_url: Url,
    /// Base URL of the storage workload.
    #[arg(long, env = environment::STORAGE_URL)]
    pub storage_url: Url,
    /// What the door is like.
    #[command(flatten)]
    pub door: Door,
    /// The way to Redis.
    #[command(flatten)]
    pub redis: redis::Config,
    /// The way to Kafka, where there is one.
    #[command(flatten)]
    pub kafka: KafkaConfig,
}

/// What the public door is like.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Door {
    /// URL under which users reach the system: the `iss` of access tokens.
    #[arg(long, env = environment::PUBLIC_URL)]
    pub public_url: String,
    /// Origins of web pages elsewhere that may call this interface; `*` for all.
    #[arg(long, env = environment::CORS_ORIGINS, value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Whether every request comes through a load balancer that sets `X-Forwarded-For` itself.
    #[arg(long, env = environment::TRUST_FORWARDED_FOR, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub trust_forwarded_for: bool,
    /// Whether each request is told to the log of events, for analysis.
    #[arg(long, env = environment::LOG_REQUESTS, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub log_requests: bool,
    /// The limits of users.
    #[command(flatten)]
    pub limits: limit::Config,
}

/// What handlers use.
#[derive(Clone)]
pub struct AppState {
    /// Checks access tokens.
    pub tokens: Tokens,
    /// The other workloads.
    pub callees: Callees,
    /// Runs turns.
    pub turns: Turns,
    /// Keeps everyone within limits.
    pub limits: Limits,
    /// Knows where a request comes from.
    pub addresses: Addresses,
    /// What users are told without asking, where there is a log of events.
    pub events: Option<Events>,
    /// How sessions learn of the end.
    pub shutdown: Shutdown,
}

/// The workloads behind the gateway.
#[derive(Clone)]
pub struct Callees {
    /// Owns accounts.
    pub user: Client,
    /// Generates answers.
    pub chat: Client,
    /// Owns conversations.
    pub storage: Client,
}

impl FromRef<AppState> for Tokens {
    fn from_ref(state: &AppState) -> Self {
        state.tokens.clone()
    }
}

impl FromRef<AppState> for Turns {
    fn from_ref(state: &AppState) -> Self {
        state.turns.clone()
    }
}

impl FromRef<AppState> for Limits {
    fn from_ref(state: &AppState) -> Self {
        state.limits.clone()
    }
}

impl FromRef<AppState> for Addresses {
    fn from_ref(state: &AppState) -> Self {
        state.addresses
    }
}

impl FromRef<AppState> for Callees {
    fn from_ref(state: &AppState) -> Self {
        state.callees.clone()
    }
}

/// Wires the workload.
///
/// # Errors
/// Fails when a setting cannot be used.
pub fn service(config: Config, context: &Context) -> Result<Service, ConfigError> {
    let Config {
        auth,
        user_url,
        chat_url,
        storage_url,
        door,
        redis,
        kafka,
    } = config;
    let kafka = kafka.settings()?.map(KafkaLog::new).transpose()?;
    let auth = InternalAuth::load(&auth, context.workload)?;
    let http = client::http();
    let callee = |workload, url| Client::new(http.clone(), workload, url, auth.clone());
    let callees = Callees {
        user: callee(Workload::User, user_url),
        chat: callee(Workload::Chat, chat_url),
        storage: callee(Workload::Storage, storage_url),
    };
    let redis = Redis::new(redis);
    let log = kafka.clone().map(|kafka| Arc::new(kafka) as _);
    let service = wire(callees, door, redis.clone(), log, context)?;
    let service = redis::watched(service, redis, &context.health);
    let Some(kafka) = kafka else {
        return Ok(service);
    };
    let health = context.health.clone();
    let watching = async move { kafka.watch(|seen| health.report(seen)).await };
    Ok(service.background("Kafka watch", watching))
}

/// Wires the workload with ways to the others of the caller's, and with the log of events where
/// there is one. Nothing waits for the log: while it cannot be read nobody is told anything.
///
/// # Errors
/// Fails when a setting cannot be used.
pub fn wire(
    callees: Callees,
    door: Door,
    redis: Option<Redis>,
    log: Option<Arc<dyn EventLog>>,
    context: &Context,
) -> Result<Service, ConfigError> {
    let Door {
        public_url,
        cors_origins,
        trust_forwarded_for,
        log_requests,
        limits,
    } = door;
    let cors = cors(&cors_origins)?;
    let tokens = Tokens::new(
        callees.user.clone(),
        public_url.trim_end_matches('/'),
        Revocations::new(redis.clone()),
    );
    let limits = Limits::new(&limits, redis)?;
    let turns = Turns::new(
        callees.chat.clone(),
        limits.clone(),
        context.shutdown.clone(),
    );
    let events = log.as_ref().map(|_| Events::default());
    let gate = context.health.gate("the key set of access tokens");
    let state = AppState {
        tokens: tokens.clone(),
        callees,
        turns,
        limits,
        addresses: Addresses {
            trust_forwarded_for,
        },
        events: events.clone(),
        shutdown: context.shutdown.clone(),
    };
    let noted = log.clone().filter(|_| log_requests);
    let (noted, telling) = noted.map(|log| Requests::new(log, context)).unzip();
    let mut interface = interface(state);
    if let Some(noted) = noted {
        interface = interface.layer(from_fn_with_state(noted, requests::note));
    }
    let mut router = public(interface);
    if let Some(cors) = cors {
        router = router.layer(cors);
    }
    let mut service = Service::new(router).background("key set", tokens.follow(gate));
    if let Some(telling) = telling {
        service = service.background("requests", telling.run());
    }
    Ok(match log.zip(events) {
        Some((log, events)) => {
            let consumed = Consumed::new(&context.metrics);
            service.background("events", events.follow(log, consumed))
        }
        None => service,
    })
}

/// All routes.
pub fn router(state: AppState) -> Router {
    public(interface(state))
}

/// The routes of the interface.
fn interface(state: AppState) -> Router {
    Router::new()
        .route("/v1/auth/register", post(accounts::register))
        .route("/v1/auth/login", post(accounts::login))
        .route("/v1/auth/refresh", post(accounts::refresh))
        .route("/v1/auth/logout", post(accounts::logout))
        .route("/v1/me", get(accounts::me))
        .route("/v1/verification", post(mailed::send_verification))
        .route("/v1/verification/confirm", post(mailed::verify))
        .route("/v1/password-reset", post(mailed::send_reset))
        .route("/v1/password-reset/confirm", post(mailed::set_password))
        .route("/v1/chat", post(chat::chat))
        .route("/v1/chat/{turn_id}/events", get(chat::resume))
        .route("/v1/chat/{turn_id}/cancel", post(chat::cancel))
        .route("/v1/conversations", get(conversations::list))
        .route(
            "/v1/conversations/{conversation_id}",
            get(conversations::read).delete(conversations::delete),
        )
        .route(
            "/v1/conversations/{conversation_id}/messages",
            get(conversations::messages),
        )
        .route("/v1/usage", get(usage::read))
        .route("/v1/webhooks", get(webhooks::list).post(webhooks::create))
        .route(
            "/v1/webhooks/{webhook_id}",
            get(webhooks::read)
                .patch(webhooks::change)
                .delete(webhooks::delete),
        )
        .route(
            "/v1/webhooks/{webhook_id}/rotate-secret",
            post(webhooks::rotate_secret),
        )
        .route("/v1/webhooks/{webhook_id}/test", post(webhooks::test))
        .route(
            "/v1/webhooks/{webhook_id}/deliveries",
            get(webhooks::deliveries),
        )
        .route("/v1/events", get(events::stream))
        .route("/v1/ws", any(socket::upgrade))
        .route("/.well-known/jwks.json", get(accounts::jwks))
        .with_state(state)
        .layer(from_fn(limit::headers::show))
}

/// The interface, its description and the page.
fn public(interface: Router) -> Router {
    interface
        // What belongs to one user is kept by no cache between.
        .layer(map_response(private))
        .route("/openapi.json", get(openapi::serve))
        .merge(page::router())
        .layer(map_response(no_sniffing))
}

async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn no_sniffing(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// No origin is configured: no page elsewhere may call. Tokens travel in a header, never in a
/// cookie, so credentials in the sense of CORS are not needed.
fn cors(origins: &[String]) -> Result<Option<CorsLayer>, ConfigError> {
    let origins: Vec<&str> = origins
        .iter()
        .map(|origin| origin.trim())
        .filter(|o| !o.is_empty())
        .collect();
    if origins.is_empty() {
        return Ok(None);
    }
    let allowed = if origins.contains(&"*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(
            origins
                .into_iter()
                .map(origin)
                .collect::<Result<Vec<_>, _>>()?,
        )
    };
    let own = HeaderName::from_static;
    Ok(Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                own(IDEMPOTENCY_KEY),
                own(LAST_EVENT_ID),
                own(REQUEST_ID),
            ])
            .expose_headers([
                header::RETRY_AFTER,
                limit::headers::RATE_LIMIT,
                limit::headers::RATE_LIMIT_POLICY,
                SHOULD_RETRY,
                own(REQUEST_ID),
            ])
            .max_age(std::time::Duration::from_secs(3600)),
    ))
}

fn origin(text: &str) -> Result<HeaderValue, ConfigError> {
    let wrong = || {
        let problem = format!("`{text}` is no origin; write https://host or https://host:port");
        ConfigError::invalid(environment::CORS_ORIGINS, problem)
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !url.origin().is_tuple() || url.origin().ascii_serialization() != text {
        return Err(wrong());
    }
    HeaderValue::from_str(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::cors;

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        let taken = |origin: &str| cors(&[origin.to_owned()]).is_ok();
        assert!(taken("https://chat.example"));
        assert!(taken("http://localhost:3000"));
        assert!(taken("*"));
        for bad in [
            "chat.example",
            "https://chat.example/",
            "https://chat.example/x",
            "null",
        ] {
            assert!(!taken(bad), "{bad}");
        }
    }
}
