//! What the workloads ask of each other; never reachable through the gateway.
//!
//! Every call carries `Authorization: Bearer` with a short-lived token that the caller signed with
//! the deployment's internal key and that names the user on whose behalf it acts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::conversations::MessageOut;
use crate::turns::{TurnOut, Usage};

/// Paths of the chat workload.
pub mod chat {
    /// `POST` a [`crate::turns::ChatIn`] with an idempotency key; answers a stream of
    /// [`crate::turns::TurnEvent`].
    pub const TURNS: &str = "/internal/v1/turns";
    /// `GET` the events of a turn that was begun, after the one that the header
    /// [`crate::LAST_EVENT_ID`] names; answers a stream of [`crate::turns::TurnEvent`].
    pub const EVENTS: &str = "/internal/v1/turns/{turn_id}/events";
    /// `POST` to end the answer of a turn where it is; answers 204.
    pub const CANCEL: &str = "/internal/v1/turns/{turn_id}/cancel";
}

/// Paths of the storage workload.
pub mod storage {
    /// `POST` a [`super::BeginTurnIn`] with an idempotency key; answers [`super::BeginTurnOut`].
    pub const TURNS: &str = "/internal/v1/turns";
    /// `GET` a turn; answers [`super::TurnStateOut`].
    pub const TURN: &str = "/internal/v1/turns/{turn_id}";
    /// `PUT` a [`super::AnswerIn`]; answers [`crate::turns::TurnOut`]. Doing it again changes nothing.
    pub const ANSWER: &str = "/internal/v1/turns/{turn_id}/answer";
    /// `GET` a page of conversations, newest first.
    pub const CONVERSATIONS: &str = "/internal/v1/conversations";
    /// `GET` or `DELETE` one conversation.
    pub const CONVERSATION: &str = "/internal/v1/conversations/{conversation_id}";
    /// `GET` a page of messages, in order.
    pub const MESSAGES: &str = "/internal/v1/conversations/{conversation_id}/messages";
    /// `GET` the [`crate::conversations::MessageOut`] that a [`super::MessageAtIn`] names.
    pub const MESSAGE: &str = "/internal/v1/conversations/{conversation_id}/message";
    /// `GET` the [`crate::usage::UsageOut`] of the caller that a [`crate::usage::UsageIn`] names.
    pub const USAGE: &str = "/internal/v1/usage";
    /// `GET` the caller's webhooks, or `POST` a [`crate::webhooks::WebhookIn`]; answers 201
    /// [`crate::webhooks::WebhookOut`].
    pub const WEBHOOKS: &str = "/internal/v1/webhooks";
    /// `GET`, `PATCH` with a [`crate::webhooks::WebhookPatchIn`], or `DELETE` one webhook.
    pub const WEBHOOK: &str = "/internal/v1/webhooks/{webhook_id}";
    /// `POST` for a new secret; answers [`crate::webhooks::WebhookOut`].
    pub const WEBHOOK_SECRET: &str = "/internal/v1/webhooks/{webhook_id}/rotate-secret";
    /// `POST` to have a message sent; answers 202 [`crate::webhooks::DeliveryOut`].
    pub const WEBHOOK_TEST: &str = "/internal/v1/webhooks/{webhook_id}/test";
    /// `GET` a page of messages to a webhook, newest first.
    pub const WEBHOOK_DELIVERIES: &str = "/internal/v1/webhooks/{webhook_id}/deliveries";
}

/// Paths of the user workload.
pub mod user {
    /// `POST` a [`crate::accounts::RegisterIn`]; answers 201 [`crate::accounts::TokensOut`].
    pub const REGISTER: &str = "/internal/v1/register";
    /// `POST` a [`crate::accounts::LoginIn`]; answers [`crate::accounts::TokensOut`].
    pub const LOGIN: &str = "/internal/v1/login";
    /// `POST` a [`crate::accounts::RefreshIn`]; answers [`crate::accounts::TokensOut`].
    pub const REFRESH: &str = "/internal/v1/refresh";
    /// `POST` a [`crate::accounts::RefreshIn`]; answers 204.
    pub const LOGOUT: &str = "/internal/v1/logout";
    /// `GET` the caller's own [`crate::accounts::UserOut`].
    pub const ME: &str = "/internal/v1/me";
    /// `POST` for the caller; answers 202 when a mail will be sent, 204 when the address is verified.
    pub const VERIFICATION: &str = "/internal/v1/verification";
    /// `POST` a [`crate::accounts::VerifyIn`] with an idempotency key; answers 204.
    pub const VERIFY: &str = "/internal/v1/verification/confirm";
    /// `POST` a [`crate::accounts::ResetIn`]; answers 202, whoever's address it is.
    pub const RESET: &str = "/internal/v1/password-reset";
    /// `POST` a [`crate::accounts::NewPasswordIn`] with an idempotency key; answers 204.
    pub const NEW_PASSWORD: &str = "/internal/v1/password-reset/confirm";
    /// `GET` the JSON Web Key Set (RFC 7517) of access tokens.
    pub const JWKS: &str = "/internal/v1/jwks";
}

/// Names a message of a conversation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageAtIn {
    /// Its place.
    pub seq: u64,
}

/// Stores the message of a user: the first half of a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginTurnIn {
    /// The conversation to go on with; absent starts a new one.
    pub conversation_id: Option<Uuid>,
    /// Text.
    pub message: String,
    /// Most messages of history to return.
    pub history_limit: u32,
}

/// The stored message and what was said before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BeginTurnOut {
    /// The user's message as stored.
    pub message: MessageOut,
    /// Number of this attempt to answer the turn, from 1: an answer is taken only from the newest.
    pub attempt: u32,
    /// Earlier messages in order, the newest ones.
    pub history: Vec<MessageOut>,
    /// The whole turn, when an earlier request with the same key was answered already.
    pub finished: Option<Box<TurnOut>>,
}

/// A turn that was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TurnStateOut {
    /// The whole turn, once its answer is stored.
    pub finished: Option<Box<TurnOut>>,
}

/// Stores the model's answer: the second half of a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerIn {
    /// The attempt that made this answer.
    pub attempt: u32,
    /// Text.
    pub content: String,
    /// Model that wrote it.
    pub model: String,
    /// Why it ended.
    pub finish_reason: String,
    /// Tokens, where the model API told them.
    pub usage: Option<Usage>,
}
