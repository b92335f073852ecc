//! The one way a handler fails: a documented code, a sentence, and when to come back.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chatbot_api::error::{ErrorCode, ErrorDetail, ErrorOut};

use crate::{mysql, sqlite, telemetry};

/// Tells the OpenAI SDKs, and with them many programs, whether to send the request again.
pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Where a caller is asked to come back and nothing better is known.
const COME_BACK: Duration = Duration::from_secs(1);

/// A failure that is told to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The exact error.
    pub code: ErrorCode,
    /// What happened and what to do, in one or two sentences.
    pub message: String,
    /// The field that is wrong, where one is.
    pub param: Option<String>,
    /// How long to wait before the next attempt, where it is known.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Makes an error.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retry_after = (code == ErrorCode::Unavailable).then_some(COME_BACK);
        Self {
            code,
            message: message.into(),
            param: None,
            retry_after,
        }
    }

    /// Says which field is wrong.
    #[must_use]
    pub fn param(self, param: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(self, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..self
        }
    }

    /// 400: `param` is wrong, as `message` says.
    #[must_use]
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message).param(param)
    }

    /// 401: no credentials, or they do not hold.
    #[must_use]
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    /// 404: `what` ("this conversation") does not exist, or is someone else's.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} does not exist"))
    }

    /// 503: a part of the system is not there.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// 500: logs the error with its causes and tells the caller nothing about them.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(
            error = telemetry::chain(error),
            "a request failed by a defect"
        );
        Self::defect()
    }

    /// 500, for a defect that was logged already.
    #[must_use]
    pub fn defect() -> Self {
        Self::new(
            ErrorCode::Internal,
            "something went wrong here; the error was recorded",
        )
    }

    /// 503: the database did not do it.
    fn without_database(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(
            error = telemetry::chain(error),
            "the database did not do it in time"
        );
        Self::unavailable("the database cannot be used at the moment; try again")
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).expect("every code has a valid status")
    }

    /// What an event of a stream carries.
    #[must_use]
    pub fn detail(&self) -> ErrorDetail {
        ErrorDetail {
            message: self.message.clone(),
            kind: self.code.kind().to_owned(),
            code: self.code,
            param: self.param.clone(),
            retry_after: self.retry_after.map(whole_seconds),
        }
    }

    /// Whether the same request can go well later without a change of it.
    ///
    /// Nothing is said about a defect and a failed model: a stored message may be behind it, and
    /// only a caller who kept its idempotency key can safely send it again.
    #[must_use]
    pub const fn should_retry(&self) -> Option<bool> {
        match self.code {
            ErrorCode::Unavailable
            | ErrorCode::UsageUnavailable
            | ErrorCode::RateLimited
            | ErrorCode::ModelRateLimited => Some(true),
            ErrorCode::Internal | ErrorCode::ModelFailed | ErrorCode::ModelTimeout => None,
            _ => Some(false),
        }
    }
}

impl From<ErrorDetail> for ApiError {
    fn from(detail: ErrorDetail) -> Self {
        let ErrorDetail {
            message,
            kind: _,
            code,
            param,
            retry_after,
        } = detail;
        let error = Self::new(code, message);
        Self {
            param,
            retry_after: retry_after.map(Duration::from_secs).or(error.retry_after),
            ..error
        }
    }
}

impl From<mysql::Error> for ApiError {
    fn from(error: mysql::Error) -> Self {
        if error.category() == mysql::Category::Defect {
            return Self::internal(&error);
        }
        Self::without_database(&error)
    }
}

impl From<sqlite::Error> for ApiError {
    fn from(error: sqlite::Error) -> Self {
        if error.may_pass() {
            Self::without_database(&error)
        } else {
            Self::internal(&error)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = axum::Json(ErrorOut {
            error: self.detail(),
        });
        let mut response = (self.status(), body).into_response();
        // For layers that note how a request went.
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        if let Some(retry) = self.should_retry() {
            headers.insert(
                SHOULD_RETRY,
                HeaderValue::from_static(if retry { "true" } else { "false" }),
            );
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if self.code == ErrorCode::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// As `retry-after` has it (RFC 9110 section 10.2.3), never earlier than asked for.
fn whole_seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::header;
    use axum::response::IntoResponse as _;
    use chatbot_api::error::ErrorCode;

    use super::{ApiError, SHOULD_RETRY};

    #[test]
    fn a_part_that_is_away_asks_the_caller_to_come_back() {
        let response = ApiError::unavailable("x").into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[SHOULD_RETRY], "true");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn the_time_to_come_back_is_never_rounded_down() {
        let error = ApiError::new(ErrorCode::ModelRateLimited, "x")
            .retry_after(Duration::from_millis(7660));
        assert_eq!(error.into_response().headers()[header::RETRY_AFTER], "8");
    }

    #[test]
    fn a_wrong_request_is_not_to_be_sent_again_and_a_defect_leaves_it_open() {
        assert_eq!(
            ApiError::invalid("x", "y").into_response().headers()[SHOULD_RETRY],
            "false"
        );
        assert!(
            ApiError::defect()
                .into_response()
                .headers()
                .get(SHOULD_RETRY)
                .is_none()
        );
    }
}
