//! Sends the messages that are due, each at least once: a process that dies between the endpoint's answer and its own
//! note of it leaves a message that is sent again, with the same `webhook-id`.
//!
//! A process takes whole endpoints, many at once, and sends each a few messages at the same time. So an endpoint that hangs
//! holds one place for as long as one request may take, and then rests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chatbot_api::webhooks::{DisabledReason, TEST};
use chatbot_runtime::context::{Context, Shutdown};
use chatbot_runtime::telemetry;
use futures::future::join_all;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use tokio::task::{JoinError, JoinSet};
use url::Url;

use super::address::{Refused, Resolver};
use super::signature::{self, Secret};
use super::{Error, Webhooks, now, schedule};
use crate::crypto::{Place, WebhookPart};
use crate::store::Store;
use crate::store::webhooks::{Attempted, DeliveryRow, Round, WebhookRow, WebhookStore};

/// Endpoints that a process sends to at once.
const PLACES: usize = 64;

/// Messages that one endpoint gets at once.
const AT_ONCE: u32 = 8;

/// How long a request may take, as the specification recommends.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an endpoint is taken for, in milliseconds: for one round, and to store what became of it.
const LEASE: i64 = 45_000;

/// Time between two looks when nobody said that a message was added, and after a failure of the database.
const LOOK: Duration = Duration::from_secs(1);

/// How long messages are kept, in milliseconds.
pub const KEPT: i64 = 7 * 24 * 60 * 60 * 1000;

/// Time between two removals of old messages.
const SWEEP: Duration = Duration::from_secs(600);

/// Sends messages. Clones share everything.
pub struct Sender<S> {
    webhooks: Arc<Webhooks<S>>,
    http: reqwest::Client,
    attempts: Family<Outcome, Counter>,
    disabled: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What an endpoint answered, or why it did not.
struct Answer {
    status: Option<StatusCode>,
    problem: Option<&'static str>,
    /// Seconds after which it wants to be asked again.
    wish: Option<i64>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self {
            webhooks: Arc::clone(&self.webhooks),
            http: self.http.clone(),
            attempts: self.attempts.clone(),
            disabled: self.disabled.clone(),
        }
    }
}

impl<S: Store + WebhookStore> Sender<S> {
    /// Makes the sender of a process, and registers its metrics.
    pub fn new(webhooks: Arc<Webhooks<S>>, context: &Context) -> Self {
        let attempts: Family<Outcome, Counter> = Family::default();
        let disabled: Family<Reason, Counter> = Family::default();
        context.metrics.register(|registry| {
            let help = "Attempts to send a message to a webhook, by what became of it";
            registry.register("webhook_attempts", help, attempts.clone());
            let help = "Webhooks that were disabled because their endpoint is gone or kept failing";
            registry.register("webhooks_disabled", help, disabled.clone());
        });
        let http = reqwest::Client::builder()
            .user_agent(concat!("chatbot-webhooks/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver(webhooks.rules.clone())))
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would look names up by itself.
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(15))
            .build()
            .expect("a client with such settings can be made");
        Self {
            webhooks,
            http,
            attempts,
            disabled,
        }
    }

    /// Removes old messages, for ever.
    pub async fn sweep(&self) {
        loop {
            let pause = match self.webhooks.store.sweep_deliveries(now() - KEPT).await {
                Ok(0) => SWEEP,
                Ok(_) => LOOK,
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "old messages to webhooks were not removed");
                    SWEEP
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends what is due until the process ends; then it ends its rounds, and waits.
    pub async fn run(&self, shutdown: &Shutdown) {
        let mut rounds = JoinSet::new();
        // The process waits for a session.
        let session = shutdown.session();
        loop {
            let places = PLACES - rounds.len();
            let (now, most) = (now(), u32::try_from(places).unwrap_or_default());
            let claimed = match self.webhooks.store.claim(now, now + LEASE, most).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "webhooks cannot be read from the database");
                    Vec::new()
                }
            };
            for webhook in claimed {
                let sender = self.clone();
                rounds.spawn(async move { sender.round(webhook, now + LEASE).await });
            }
            tokio::select! {
                Some(ended) = rounds.join_next() => go_on(ended),
                () = self.webhooks.added.notified(), if rounds.len() < PLACES => {}
                () = tokio::time::sleep(LOOK), if rounds.len() < PLACES => {}
                () = shutdown.stopping() => break,
            }
        }
        while let Some(ended) = rounds.join_next().await {
            go_on(ended);
        }
        drop(session);
        std::future::pending().await
    }

    /// Sends an endpoint what is due.
    async fn round(&self, webhook: WebhookRow, claimed_until: i64) {
        if let Err(error) = self.try_round(&webhook, claimed_until).await {
            let error = telemetry::chain(&error);
            let id = webhook.id;
            tracing::warn!(webhook = %id, error, "a webhook could not be served, and is tried again later");
        }
    }

    async fn try_round(&self, webhook: &WebhookRow, claimed_until: i64) -> Result<(), Error> {
        let Webhooks { store, keys, .. } = self.webhooks.as_ref();
        let due = store.due(webhook.id, now(), AT_ONCE).await?;
        let key = keys.get(store, webhook.user_id).await?;
        let place = Place::Webhook {
            webhook: webhook.id,
            part: WebhookPart::Url,
        };
        let url = key.open(place, &webhook.url)?;
        let secrets = self.webhooks.secrets(&key, webhook)?;
        let attempts = due.iter().map(|message| async {
            let (at, begun) = (now(), Instant::now());
            let answer = self.send(&url, &secrets, message).await;
            self.judge(webhook, message, &answer, at, begun.elapsed())
        });
        let judged = join_all(attempts).await;
        let disable = judged.iter().find_map(|(_, disable)| *disable);
        let attempts: Vec<_> = judged.into_iter().map(|(attempt, _)| attempt).collect();
        let taken = attempts.iter().filter(|attempt| attempt.delivered);
        let success_at = taken.map(|attempt| attempt.attempted_at).max();
        let streak = match success_at {
            None if !attempts.is_empty() => webhook.streak.saturating_add(1),
            None => webhook.streak,
            Some(_) => 0,
        };
        let rest_until = now() + schedule::rest(streak);
        store
            .settle(&Round {
                webhook: webhook.id,
                claimed_until,
                attempts,
                success_at,
                streak,
                rest_until,
                disable,
            })
            .await?;
        if let Some(reason) = disable {
            let reason = reason.name();
            tracing::info!(webhook = %webhook.id, reason, "a webhook was disabled");
            self.disabled.get_or_create(&Reason { reason }).inc();
        }
        Ok(())
    }

    async fn send(&self, url: &str, secrets: &[Secret], message: &DeliveryRow) -> Answer {
        let none = |problem| Answer {
            status: None,
            problem: Some(problem),
            wish: None,
        };
        // What is allowed may have changed since the webhook was made.
        let Ok(url) = Url::parse(url) else {
            return none("connection_failed");
        };
        if self.webhooks.rules.check(&url).is_err() {
            return none("address_not_allowed");
        }
        let (id, timestamp) = (message.event_id.to_string(), now() / 1000);
        let signature = signature::header(secrets, &id, timestamp, &message.body);
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(message.body.clone());
        match request.send().await {
            // Nobody needs the body, so it is not read.
            Ok(response) => Answer {
                status: Some(response.status()),
                problem: None,
                wish: wish(response.headers()),
            },
            Err(error) if is_refused(&error) => none("address_not_allowed"),
            Err(error) if error.is_timeout() => none("timeout"),
            Err(_) => none("connection_failed"),
        }
    }

    /// Says what becomes of a message, and of its webhook.
    fn judge(
        &self,
        webhook: &WebhookRow,
        message: &DeliveryRow,
        answer: &Answer,
        attempted_at: i64,
        latency: Duration,
    ) -> (Attempted, Option<DisabledReason>) {
        let attempts = message.attempts + 1;
        let delivered = answer.status.is_some_and(|status| status.is_success());
        let gone = answer.status == Some(StatusCode::GONE);
        let is_test = message.kind == TEST;
        let pause = schedule::pause(attempts, rand::random(), answer.wish);
        let pause = pause.filter(|_| !delivered && !gone && !is_test);
        // Nothing was taken since this message was made, all the time in which it was tried.
        let silent = webhook
            .last_success_at
            .is_none_or(|at| at < message.created_at);
        let (outcome, disable) = match (delivered, pause) {
            (true, _) => ("delivered", None),
            (false, Some(_)) => ("postponed", None),
            (false, None) if gone => ("gone", Some(DisabledReason::Gone)),
            (false, None) if silent && !is_test => ("given_up", Some(DisabledReason::Failing)),
            (false, None) => ("given_up", None),
        };
        self.attempts.get_or_create(&Outcome { outcome }).inc();
        let attempt = Attempted {
            delivery: message.id,
            attempts,
            due_at: pause.map(|pause| now() + pause),
            delivered,
            attempted_at,
            http_status: answer.status.map(|status| status.as_u16()),
            problem: answer.problem,
            latency_ms: u32::try_from(latency.as_millis()).unwrap_or(u32::MAX),
        };
        (attempt, disable)
    }
}

/// A round that panicked is a defect, which the process ends with.
fn go_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); a date is left aside.
fn wish(headers: &HeaderMap) -> Option<i64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Whether a name stands for nothing that is allowed.
fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(Refused::Address(_)) = error.downcast_ref() {
            return true;
        }
        cause = error.source();
    }
    false
}
