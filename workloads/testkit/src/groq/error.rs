//! Errors as the real API sends them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::Directive;

/// The body of an error.
pub(super) fn body(status: u16) -> Value {
    let (kind, code, message) = match status {
        400 => (
            "invalid_request_error",
            Some("invalid_request"),
            "the request is not valid",
        ),
        401 => (
            "invalid_request_error",
            Some("invalid_api_key"),
            "Invalid API Key",
        ),
        403 => (
            "permissions_error",
            Some("model_permission_blocked_project"),
            "the model is blocked for this project",
        ),
        404 => (
            "invalid_request_error",
            Some("model_not_found"),
            "the model does not exist or you do not have access to it",
        ),
        413 => (
            "tokens",
            Some("rate_limit_exceeded"),
            "request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000",
        ),
        422 => (
            "invalid_request_error",
            Some("unprocessable_entity"),
            "the request is semantically wrong",
        ),
        424 => (
            "invalid_request_error",
            Some("failed_dependency"),
            "a dependency of the request failed",
        ),
        429 => (
            "tokens",
            Some("rate_limit_exceeded"),
            "Rate limit reached for model on tokens per minute (TPM): Limit 6000, Used 5900, Requested 300. Please try again in 2s",
        ),
        498 => (
            "server_error",
            Some("capacity_exceeded"),
            "flex tier capacity exceeded",
        ),
        499 => (
            "server_error",
            Some("request_cancelled"),
            "the request was cancelled",
        ),
        500 => ("internal_server_error", None, "Internal Server Error"),
        502 => ("server_error", None, "Bad Gateway"),
        503 => ("service_unavailable_error", None, "Service Unavailable"),
        _ => ("server_error", None, "unexpected"),
    };
    json!({"error": {"message": message, "type": kind, "code": code}})
}

/// An error that the directive asks for.
pub(super) fn asked_for(status: u16, directive: &Directive) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(seconds) = directive.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(should) = directive.should_retry {
        let value = HeaderValue::from_static(if should { "true" } else { "false" });
        headers.insert(HeaderName::from_static("x-should-retry"), value);
    }
    (headers, of(status)).into_response()
}

/// An error.
pub(super) fn of(status: u16) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, axum::Json(body(status))).into_response()
}

/// An error of the request, with a message of its own.
pub(super) fn bad_request(message: &str, param: &str) -> Response {
    let body =
        json!({"error": {"message": message, "type": "invalid_request_error", "param": param}});
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}
