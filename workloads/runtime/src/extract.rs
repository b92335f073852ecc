//! What handlers take from a request; whatever is wrong with it becomes a documented error.

mod idempotency;
mod last_event;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use chatbot_api::error::ErrorCode;
use serde::de::DeserializeOwned;

pub use idempotency::IdempotencyKey;
pub use last_event::LastEventId;

use crate::error::ApiError;

/// A JSON body; 415, 413 or 400 with the place of the mistake.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// The query; 400 with the mistake.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// Parameters of the path; what is no id names nothing, so 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let message = "send the body as JSON, with the header content-type: application/json";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(body_error)?;
        parse(&bytes).map(Self)
    }
}

/// Reads a JSON document that a caller sent.
///
/// # Errors
/// 400, with the field the mistake is in as `param`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let message = format!("the JSON cannot be read: {}", error.inner());
        located(message, error.path())
    })?;
    deserializer.end().map_err(|error| {
        ApiError::new(
            ErrorCode::InvalidRequest,
            format!("the JSON cannot be read: {error}"),
        )
    })?;
    Ok(value)
}

/// 400, with the field where the mistake is in one.
fn located(message: String, path: &serde_path_to_error::Path) -> ApiError {
    let error = ApiError::new(ErrorCode::InvalidRequest, message);
    match path.to_string() {
        whole if whole == "." => error,
        field => error.param(field),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let query = serde_urlencoded::Deserializer::new(pairs);
        let read = serde_path_to_error::deserialize(query);
        read.map(Self).map_err(|error| {
            let message = format!("the query cannot be read: {}", error.inner());
            located(message, error.path())
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection| match rejection {
                PathRejection::FailedToDeserializePathParams(_) => ApiError::not_found("this"),
                defect => ApiError::internal(&defect),
            })
    }
}

/// `application/json` and what ends with `+json` (RFC 6838 section 4.2.8), with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase())
        .is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
}

fn body_error(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let limit = crate::layers::BODY_LIMIT / 1024;
        return ApiError::new(
            ErrorCode::TooLarge,
            format!("the body is larger than {limit} KiB; send a shorter message"),
        );
    }
    ApiError::new(
        ErrorCode::InvalidRequest,
        "the body could not be read to its end",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use axum::body::Body;
    use axum::extract::{FromRequest as _, FromRequestParts as _, Request};
    use chatbot_api::conversations::PageIn;
    use chatbot_api::error::ErrorCode;
    use chatbot_api::usage::UsageIn;
    use serde::Deserialize;

    use super::{Json, Query, parse};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Thing {
        size: u8,
    }

    #[test]
    fn a_wrong_field_is_named() {
        let error = parse::<Thing>(br#"{"size": "x"}"#).unwrap_err();
        assert_eq!(
            (error.code, error.param.as_deref()),
            (ErrorCode::InvalidRequest, Some("size"))
        );
        assert_eq!(
            parse::<Thing>(br#"{"size": 1}"#).unwrap(),
            Thing { size: 1 }
        );
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_named_with_what_to_write() {
        let refused = async |query: &str| {
            let uri = format!("/?{query}");
            let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
            let error = if query.starts_with("limit") {
                let page = Query::<PageIn>::from_request_parts(&mut parts, &()).await;
                page.map(|Query(page)| page.limit).unwrap_err()
            } else {
                let days = Query::<UsageIn>::from_request_parts(&mut parts, &()).await;
                days.map(|Query(days)| days.from).unwrap_err()
            };
            assert_eq!(error.code, ErrorCode::InvalidRequest);
            (error.param.unwrap_or_default(), error.message)
        };
        let expected = |param: &str, problem: &str| {
            let message = format!("the query cannot be read: {problem}");
            (param.to_owned(), message)
        };
        for day in ["yesterday", "2026-02-30", ""] {
            let problem = format!("`{day}` is no day: write it as 2026-11-01");
            let query = format!("from={day}");
            assert_eq!(refused(&query).await, expected("from", &problem));
        }
        let problem = "`-1` is no number: write it as 50";
        assert_eq!(refused("limit=-1").await, expected("limit", problem));
        let (_, message) = refused("form=2026-11-01").await;
        assert!(message.contains("unknown field `form`"), "{message}");
    }

    #[test]
    fn text_after_the_document_is_refused() {
        assert!(parse::<Thing>(br#"{"size": 1} x"#).is_err());
    }

    #[tokio::test]
    async fn a_body_that_is_not_called_json_is_refused() {
        let request = |kind: &str| {
            Request::builder()
                .header("content-type", kind)
                .body(Body::from(r#"{"size":1}"#))
                .unwrap()
        };
        let refused = Json::<Thing>::from_request(request("text/plain"), &())
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnsupportedMediaType);
        assert!(
            Json::<Thing>::from_request(request("application/json; charset=utf-8"), &())
                .await
                .is_ok()
        );
    }
}
