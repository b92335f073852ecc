//! Whoever asks without an access token: known by an address, and limited by it.

use std::convert::Infallible;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::request_id::RequestId;

use crate::address::{Addresses, ClientAddress};
use crate::limit::{Attempt, Limits, Shown};

/// A request of nobody yet.
pub(crate) struct Stranger {
    /// The request's id.
    pub(crate) request_id: RequestId,
    limits: Limits,
    address: ClientAddress,
    shown: Shown,
}

impl Stranger {
    /// Counts an attempt against the address.
    ///
    /// # Errors
    /// Too many have failed.
    pub(crate) async fn attempt(&self) -> Result<Attempt, ApiError> {
        self.limits.attempt(self.address.0, &self.shown).await
    }
}

impl<S> FromRequestParts<S> for Stranger
where
    Addresses: FromRef<S>,
    Limits: FromRef<S>,
    S: Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            request_id: RequestId::from_request_parts(parts, state).await?,
            limits: Limits::from_ref(state),
            address: ClientAddress::from_request_parts(parts, state).await?,
            shown: Shown::from_request_parts(parts, state).await?,
        })
    }
}
