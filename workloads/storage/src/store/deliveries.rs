//! The port to messages that wait for webhooks.
//!
//! Who sends takes a whole endpoint for a while ([`DeliveryStore::claim`]), not single messages: so a slow one costs
//! one place among those that send, and never meets two senders. No guarantee rests on the lease: a sender that
//! outlived it sends a message again.

use std::collections::BTreeSet;

use chatbot_api::webhooks::DisabledReason;
use uuid::Uuid;

use super::Error;
use super::webhooks::{WebhookRow, WebhookStore};

/// A webhook that wants events.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Listening {
    /// Id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Names of events, separated by commas; empty for all.
    pub events: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
}

/// A message that shall be sent, unless there is one of the same event to the same webhook.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// UUIDv7: messages are listed in its order.
    pub id: Uuid,
    /// To which webhook.
    pub webhook_id: Uuid,
    /// Of which event.
    pub event_id: Uuid,
    /// Its type.
    pub kind: String,
    /// As it is sent.
    pub body: Vec<u8>,
    /// In milliseconds since 1970; it is due then.
    pub now: i64,
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeliveryRow {
    /// Id.
    pub id: Uuid,
    /// Of which event.
    pub event_id: Uuid,
    /// Its type.
    pub kind: String,
    /// As it is sent.
    pub body: Vec<u8>,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next one is due, in milliseconds since 1970.
    pub due_at: Option<i64>,
    /// Whether the endpoint took it.
    pub delivered: bool,
    /// When the last attempt was, in milliseconds since 1970.
    pub attempted_at: Option<i64>,
    /// What it was answered.
    pub http_status: Option<u16>,
    /// Why it was not answered.
    pub problem: Option<String>,
    /// How long it took.
    pub latency_ms: Option<u32>,
}

/// Columns of a [`DeliveryRow`].
pub(super) const DELIVERY: &str = "id, event_id, kind, body, created_at, attempts, due_at, delivered, attempted_at, http_status, \
     problem, latency_ms";

/// An attempt that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// The message.
    pub delivery: Uuid,
    /// Attempts, with this one.
    pub attempts: u32,
    /// When the next one is due, in milliseconds since 1970.
    pub due_at: Option<i64>,
    /// Whether the endpoint took it.
    pub delivered: bool,
    /// When it was, in milliseconds since 1970.
    pub attempted_at: i64,
    /// What it was answered.
    pub http_status: Option<u16>,
    /// Why it was not answered.
    pub problem: Option<&'static str>,
    /// How long it took.
    pub latency_ms: u32,
}

/// What became of the messages that were due at one endpoint.
#[derive(Clone, Debug)]
pub struct Round {
    /// The webhook.
    pub webhook: Uuid,
    /// Until when it was claimed.
    pub claimed_until: i64,
    /// The attempts.
    pub attempts: Vec<Attempted>,
    /// When a message was taken, in milliseconds since 1970.
    pub success_at: Option<i64>,
    /// Rounds in a row in which nothing was taken.
    pub streak: u32,
    /// Before then nothing more is sent to it; 0 for at once.
    pub rest_until: i64,
    /// Why nothing more shall be sent.
    pub disable: Option<DisabledReason>,
}

/// Messages to webhooks.
pub trait DeliveryStore: WebhookStore {
    /// Gives the webhooks of these users that are not disabled.
    fn listening(
        &self,
        users: &BTreeSet<Uuid>,
    ) -> impl Future<Output = Result<Vec<Listening>, Error>> + Send;

    /// Stores messages, each once.
    fn add_deliveries(
        &self,
        deliveries: &[NewDelivery],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Counts the messages of a type that were made since then.
    fn made_since(
        &self,
        webhook: Uuid,
        kind: &str,
        since: i64,
    ) -> impl Future<Output = Result<u32, Error>> + Send;

    /// Gives messages to a webhook before this one, newest first.
    fn deliveries(
        &self,
        webhook: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeliveryRow>, Error>> + Send;

    /// Takes up to `most` webhooks with messages that are due at `now`, those first that were sent to longest ago;
    /// nobody else gets them before `until`.
    fn claim(
        &self,
        now: i64,
        until: i64,
        most: u32,
    ) -> impl Future<Output = Result<Vec<WebhookRow>, Error>> + Send;

    /// Gives up to `most` messages to a webhook that are due, the first ones.
    fn due(
        &self,
        webhook: Uuid,
        now: i64,
        most: u32,
    ) -> impl Future<Output = Result<Vec<DeliveryRow>, Error>> + Send;

    /// Stores what became of a round, and gives the webhook back.
    fn settle(&self, round: &Round) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes some messages that were made before then; says how many.
    fn sweep_deliveries(&self, before: i64) -> impl Future<Output = Result<u64, Error>> + Send;
}
