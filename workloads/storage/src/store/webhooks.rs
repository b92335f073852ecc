//! The port to webhooks.

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
    /// Name of a [`DisabledReason`](chatbot_api::webhooks::DisabledReason), while nothing is sent.
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

/// What became of something of which there may be so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is stored.
    Yes,
    /// There are enough.
    Enough,
}

/// Webhooks.
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

    /// Removes a webhook. Nothing is sent to it any more; [`DeliveryStore::sweep_deliveries`](super::deliveries::DeliveryStore::sweep_deliveries) removes its messages.
    fn remove_webhook(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
