//! The caller's key for a mutating request (draft-ietf-httpapi-idempotency-key-header-07).

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use chatbot_api::IDEMPOTENCY_KEY;
use chatbot_api::error::ErrorCode;
use uuid::Uuid;

use crate::error::ApiError;

/// Longest key, in characters.
const LONGEST: usize = 255;

/// Names one intention of a caller: the same key with the same request has its effect once.
///
/// As an extractor it is required; `Option<IdempotencyKey>` takes a request without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Makes a key for a caller that sent none.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// Takes a caller's key.
    ///
    /// # Errors
    /// 400 when it is not 1 to 255 visible ASCII characters.
    pub fn parse(key: &[u8]) -> Result<Self, ApiError> {
        let fits = (1..=LONGEST).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(key) {
            Ok(key) if fits => Ok(Self(key.to_owned())),
            _ => Err(ApiError::invalid(
                IDEMPOTENCY_KEY,
                "an idempotency key is 1 to 255 visible ASCII characters without spaces",
            )),
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the value of the header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("a key holds visible ASCII only")
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, ApiError> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).into_iter();
        match (keys.next(), keys.next()) {
            (None, _) => Ok(None),
            (Some(key), None) => Self::parse(key.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(ApiError::invalid(
                IDEMPOTENCY_KEY,
                "send one idempotency key, not several",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state)
            .await?
            .ok_or_else(|| {
                ApiError::new(ErrorCode::InvalidRequest, "send the header Idempotency-Key")
                    .param(IDEMPOTENCY_KEY)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        assert!(IdempotencyKey::parse(b"order-1").is_ok());
        assert!(IdempotencyKey::parse(&[b'a'; 255]).is_ok());
        for bad in [&b""[..], b"a b", "é".as_bytes(), &[b'a'; 256]] {
            assert!(IdempotencyKey::parse(bad).is_err());
        }
    }
}
