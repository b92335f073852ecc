//! Webhooks: endpoints that are told what happened, and what became of each message to them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Type of the message that `POST /v1/webhooks/{webhook_id}/test` sends.
pub const TEST: &str = "webhook.test";

/// A webhook to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookIn {
    /// Where messages go: `https`, up to 2048 characters, an address on the public internet.
    pub url: String,
    /// Which events are told, such as `message.created`; every one, also of later releases, where there are none.
    #[serde(default)]
    pub events: Vec<String>,
    /// What it is for, up to 256 characters.
    #[serde(default)]
    pub description: String,
}

/// A change of a webhook; what is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatchIn {
    /// Where messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Which events are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Stops it, or lets it go on, whoever stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookOut {
    /// Id.
    pub id: Uuid,
    /// Where messages go.
    pub url: String,
    /// Which events are told; every one where there are none.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
    /// Whether nothing is sent.
    pub disabled: bool,
    /// Who or what disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<DisabledReason>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last took a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success_at: Option<Timestamp>,
    /// The secret that signs messages, `whsec_…`: only in the answer that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Until when the secret before it signs as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub old_secret_until: Option<Timestamp>,
}

/// Who or what disabled a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// The user.
    ByUser,
    /// The endpoint answered 410: it wants no messages any more.
    Gone,
    /// A message was given up, and none was taken since it was made.
    Failing,
}

impl DisabledReason {
    /// The name in the interface, at rest, and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByUser => "by_user",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// Reads a name. One of a later release is [`Self::Failing`]: what it has in common is that nothing is sent.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        [Self::ByUser, Self::Gone]
            .into_iter()
            .find(|reason| reason.name() == name)
            .unwrap_or(Self::Failing)
    }
}

/// A message to a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryOut {
    /// Id.
    pub id: Uuid,
    /// The header `webhook-id`, the same in every attempt; of an event its id.
    pub webhook_id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// The last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<AttemptOut>,
    /// When it is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
}

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It will be sent, or sent again.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// It was given up.
    Failed,
}

/// An attempt to send a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptOut {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// The status that the endpoint answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Why there was no answer: `address_not_allowed`, `connection_failed`, `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
