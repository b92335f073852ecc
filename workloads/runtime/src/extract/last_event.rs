//! The last event of a stream that a caller has seen.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chatbot_api::LAST_EVENT_ID;
use chatbot_api::turns::EventId;

use crate::error::ApiError;

/// The header `Last-Event-ID` (WHATWG HTML section 9.2.4); 400 when it names no event.
#[derive(Clone, Copy, Debug)]
pub struct LastEventId(pub Option<EventId>);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(LAST_EVENT_ID) else {
            return Ok(Self(None));
        };
        // A value that is not visible ASCII names nothing either.
        let id = value.to_str().unwrap_or_default().parse();
        id.map(|id| Self(Some(id)))
            .map_err(|error| ApiError::invalid(LAST_EVENT_ID, format!("{error}")))
    }
}
