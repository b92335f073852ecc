//! One attempt to send a message: signed now, bounded in time, to an address that may be sent to.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use url::Url;

use super::address::{Refused, Resolver, Rules};
use super::now;
use super::signature::{self, Secret};
use crate::store::deliveries::DeliveryRow;

/// How long an attempt may take, as the specification recommends.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(15);

/// What an endpoint answered, or why it did not.
pub(super) struct Answer {
    /// Its status.
    pub(super) status: Option<StatusCode>,
    /// Why there is none.
    pub(super) problem: Option<&'static str>,
    /// Seconds after which it wants to be asked again.
    pub(super) wish: Option<i64>,
}

impl Answer {
    const fn none(problem: &'static str) -> Self {
        Self {
            status: None,
            problem: Some(problem),
            wish: None,
        }
    }
}

/// Sends messages. Clones share the connections.
#[derive(Clone)]
pub(super) struct Requests {
    http: reqwest::Client,
    rules: Rules,
}

impl Requests {
    pub(super) fn new(rules: Rules) -> Self {
        let http = reqwest::Client::builder()
            .user_agent(concat!("chatbot-webhooks/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver(rules.clone())))
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would look names up by itself.
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE)
            .build()
            .expect("a client with such settings can be made");
        Self { http, rules }
    }

    pub(super) async fn send(
        &self,
        url: &str,
        secrets: &[Secret],
        message: &DeliveryRow,
    ) -> Answer {
        let Ok(url) = Url::parse(url) else {
            return Answer::none("connection_failed");
        };
        // What is allowed may have changed since the webhook was made.
        if self.rules.check(&url).is_err() {
            return Answer::none("address_not_allowed");
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
            Err(error) if is_refused(&error) => Answer::none("address_not_allowed"),
            Err(error) if error.is_timeout() => Answer::none("timeout"),
            Err(_) => Answer::none("connection_failed"),
        }
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
