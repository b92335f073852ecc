//! The one error body, in the shape that OpenAI SDKs read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of every answer with a status of 400 or above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorOut {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for a program (`code`) and for a person (`message`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// What happened and what to do, in one or two sentences.
    pub message: String,
    /// The family, as OpenAI names it: `invalid_request_error`, `authentication_error`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// The exact error.
    pub code: ErrorCode,
    /// The field that is wrong, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// When to come back, in whole seconds, where it is known: what the header `retry-after` says, for
    /// errors that come as events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Every error that a caller can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request cannot be read or a field is out of range.
    InvalidRequest,
    /// 400: the token of a link was used, has expired, or is none.
    InvalidToken,
    /// 401: no credentials, or they do not hold.
    Unauthenticated,
    /// 401: wrong e-mail or password.
    InvalidCredentials,
    /// 403: registration is closed.
    RegistrationClosed,
    /// 404: no such thing, or it belongs to someone else.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: an account with this e-mail exists.
    EmailTaken,
    /// 409: a newer attempt with the same key took this turn over.
    Superseded,
    /// 409: nobody makes the answer of this turn any more; the same request with the same idempotency key
    /// begins it again.
    Interrupted,
    /// 409: this user has as many webhooks as one may have.
    TooManyWebhooks,
    /// 413: the body or the message is too large.
    TooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 422: the idempotency key was used for another request.
    IdempotencyKeyReused,
    /// 429: a limit of this user or address is reached; `retry-after` says when to come back.
    RateLimited,
    /// 429: the model API's limit is reached; `retry-after` says when to come back.
    ModelRateLimited,
    /// 500: a defect of ours.
    Internal,
    /// 501: this system was set up without what the request needs.
    NotConfigured,
    /// 502: the model API refused or failed.
    ModelFailed,
    /// 503: the model API refuses the operator's key or model; an administrator must act.
    ModelMisconfigured,
    /// 503: a part of the system is not there; try again.
    Unavailable,
    /// 503: the document store, which usage is counted in, does not answer; try again later. Everything else
    /// goes on.
    UsageUnavailable,
    /// 504: the model API did not answer in time.
    ModelTimeout,
}

impl ErrorCode {
    /// The HTTP status of this error.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::InvalidToken => 400,
            Self::Unauthenticated | Self::InvalidCredentials => 401,
            Self::RegistrationClosed => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::EmailTaken | Self::Superseded | Self::Interrupted | Self::TooManyWebhooks => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::IdempotencyKeyReused => 422,
            Self::RateLimited | Self::ModelRateLimited => 429,
            Self::Internal => 500,
            Self::NotConfigured => 501,
            Self::ModelFailed => 502,
            Self::ModelMisconfigured | Self::Unavailable | Self::UsageUnavailable => 503,
            Self::ModelTimeout => 504,
        }
    }

    /// The family, as OpenAI names it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self.status() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        }
    }
}
