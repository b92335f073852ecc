//! The port to webhooks and the messages that wait for them.
//!
//! Who sends takes a whole endpoint for a while ([`WebhookStore::claim`]), not single messages: so a slow one costs
//! one place among those that send, and never meets two senders. No guarantee rests on the lease: a sender that
//! outlived it sends a message again.

use std::collections::BTreeSet;

use chatbot_api::webhooks::DisabledReason;
use uuid::Uuid;

use super::Error;

/// A webhook that shall be stored.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Sealed.
    pub url: Vec<u8>,
    /// Sealed.
    pub description: Vec<u8>,
    /// Sealed.
    pub secret: Vec<u8>,
    /// Names of events, separated by commas; empty for all.
    pub events: String,
    /// In milliseconds since 1970.
    pub now: i64,
}

/// A webhook as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct WebhookRow {
    /// Id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Sealed.
    pub url: Vec<u8>,
    /// Sealed.
    pub description: Vec<u8>,
    /// Sealed.
    pub secret: Vec<u8>,
    /// Sealed; signs as well until [`Self::old_secret_until`].
    pub old_secret: Option<Vec<u8>>,
    /// In milliseconds since 1970.
    pub old_secret_until: Option<i64>,
    /// Names of events, separated by commas; empty for all.
    pub events: String,
    /// Name of a [`DisabledReason`], while nothing is sent.
    pub disabled_reason: Option<String>,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub last_success_at: Option<i64>,
    /// Rounds in a row in which nothing was taken.
    pub streak: u32,
}

/// Columns of a [`WebhookRow`].
pub(super) const WEBHOOK: &str = "id, user_id, url, description, secret, old_secret, old_secret_until, events, disabled_reason, \
     created_at, last_success_at, streak";

/// What changes of a webhook; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Sealed.
    pub url: Option<Vec<u8>>,
    /// Sealed.
    pub description: Option<Vec<u8>>,
    /// Names of events, separated by commas.
    pub events: Option<String>,
    /// Whether its user disables it, or enables it, whatever disabled it.
    pub disabled: Option<bool>,
}

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

/// What became of something of which there may be so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is stored.
    Yes,
    /// There are enough.
    Enough,
}

/// Webhooks, and messages to them.
pub trait WebhookStore: Send + Sync + 'static {
    /// Stores a webhook, unless its user, who has a data key, has `most` others.
    fn add_webhook(
        &self,
        webhook: &NewWebhook,
        most: u32,
    ) -> impl Future<Output = Result<Added, Error>> + Send;

    /// Gives the user's webhooks, oldest first.
    fn webhooks(&self, user: Uuid) -> impl Future<Output = Result<Vec<WebhookRow>, Error>> + Send;

    /// Gives one webhook.
    fn webhook(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> impl Future<Output = Result<WebhookRow, Error>> + Send;

    /// Changes a webhook. One that is enabled goes on with what waited.
    fn change_webhook(
        &self,
        user: Uuid,
        id: Uuid,
        changes: &Changes,
    ) -> impl Future<Output = Result<WebhookRow, Error>> + Send;

    /// Gives a webhook a new secret; the one before it is kept until `old_until`.
    fn rotate_secret(
        &self,
        user: Uuid,
        id: Uuid,
        secret: &[u8],
        old_until: i64,
    ) -> impl Future<Output = Result<WebhookRow, Error>> + Send;

    /// Removes a webhook. Nothing is sent to it any more; [`Self::sweep_deliveries`] removes its messages.
    fn remove_webhook(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> impl Future<Output = Result<(), Error>> + Send;

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

    /// Takes up to `most` webhooks with messages that are due at `now`; nobody else gets them before `until`.
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
