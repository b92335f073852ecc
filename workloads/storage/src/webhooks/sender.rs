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
use tokio::task::{JoinError, JoinSet};

use super::request::{Answer, Requests};
use super::{Error, Webhooks, now, schedule};
use crate::crypto::{Place, WebhookPart};
use crate::store::Store;
use crate::store::deliveries::{Attempted, DeliveryRow, DeliveryStore, Round};
use crate::store::webhooks::WebhookRow;

/// Endpoints that a process sends to at once.
const PLACES: usize = 64;

/// Messages that one endpoint gets at once.
const AT_ONCE: u32 = 8;

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
    requests: Requests,
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

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self {
            webhooks: Arc::clone(&self.webhooks),
            requests: self.requests.clone(),
            attempts: self.attempts.clone(),
            disabled: self.disabled.clone(),
        }
    }
}

impl<S: Store + DeliveryStore> Sender<S> {
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
        Self {
            requests: Requests::new(webhooks.rules.clone()),
            webhooks,
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
            let answer = self.requests.send(&url, &secrets, message).await;
            self.judge(webhook, message, &answer, at, begun.elapsed())
        });
        let judged = join_all(attempts).await;
        let mut disable = judged.iter().find_map(|(_, disable)| *disable);
        let attempts: Vec<_> = judged.into_iter().map(|(attempt, _)| attempt).collect();
        let taken = attempts.iter().filter(|attempt| attempt.delivered);
        let success_at = taken.map(|attempt| attempt.attempted_at).max();
        if success_at.is_some() && disable == Some(DisabledReason::Failing) {
            disable = None;
        }
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
