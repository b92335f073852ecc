//! Calls between workloads: a short-lived token says which workload calls, and for which user.
//!
//! The token is a JWT signed with the deployment's internal key (HS256, RFC 7518 section 3.2):
//! `iss` is the calling workload, `aud` the called one, `sub` the user. A workload accepts nothing
//! without it, so that a pod which can reach the port but has no key gets nowhere.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::{HeaderMap, header, request::Parts};
use chatbot_contract::{Workload, environment};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{ConfigError, secret_key};
use crate::error::ApiError;
use crate::request_id::RequestId;

/// Life of a token.
const LIFE: Duration = Duration::from_secs(60);

/// How far the clocks of two nodes may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// Where the internal key is.
#[derive(Clone, Debug, clap::Args)]
pub struct InternalAuthConfig {
    /// File with the key that signs calls between workloads.
    #[arg(long, env = environment::INTERNAL_KEY_FILE)]
    pub internal_key_file: PathBuf,
}

/// Signs this workload's calls, and checks the calls of others. Clones share the key.
#[derive(Clone)]
pub struct InternalAuth {
    inner: Arc<Inner>,
}

struct Inner {
    workload: Workload,
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: Workload,
    aud: Workload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<Uuid>,
    exp: u64,
}

/// The workload that calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub workload: Workload,
}

/// The user on whose behalf a workload calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub user: Uuid,
    /// The id of the request, to be passed on.
    pub request_id: RequestId,
}

impl InternalAuth {
    /// Reads the key.
    ///
    /// # Errors
    /// Fails when the file cannot be read or holds no key.
    pub fn load(config: &InternalAuthConfig, workload: Workload) -> Result<Self, ConfigError> {
        let key = secret_key(environment::INTERNAL_KEY_FILE, &config.internal_key_file)?;
        Ok(Self::new(key, workload))
    }

    /// Takes the key.
    #[must_use]
    pub fn new(key: [u8; 32], workload: Workload) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY.as_secs();
        validation.set_audience(&[workload]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let (sign, verify) = (
            EncodingKey::from_secret(&key),
            DecodingKey::from_secret(&key),
        );
        Self {
            inner: Arc::new(Inner {
                workload,
                sign,
                verify,
                validation,
            }),
        }
    }

    /// Makes the token for one call.
    #[must_use]
    pub fn token(&self, callee: Workload, user: Option<Uuid>) -> String {
        let exp = jsonwebtoken::get_current_timestamp() + LIFE.as_secs();
        let claims = Claims {
            iss: self.inner.workload,
            aud: callee,
            sub: user,
            exp,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.inner.sign)
            .expect("an HMAC over such claims does not fail")
    }

    fn verify(&self, headers: &HeaderMap) -> Result<Claims, ApiError> {
        let token = bearer(headers)
            .ok_or_else(|| ApiError::unauthenticated("this is for workloads only"))?;
        jsonwebtoken::decode::<Claims>(token, &self.inner.verify, &self.inner.validation)
            .map(|token| token.claims)
            .map_err(|error| {
                tracing::warn!(
                    error = error.to_string(),
                    "a call with a token that does not hold"
                );
                ApiError::unauthenticated("the token of this call does not hold")
            })
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S> FromRequestParts<S> for Peer
where
    InternalAuth: FromRef<S>,
    S: Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let claims = InternalAuth::from_ref(state).verify(&parts.headers)?;
        Ok(Self {
            workload: claims.iss,
        })
    }
}

impl<S> FromRequestParts<S> for Caller
where
    InternalAuth: FromRef<S>,
    S: Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let claims = InternalAuth::from_ref(state).verify(&parts.headers)?;
        let user = claims
            .sub
            .ok_or_else(|| ApiError::unauthenticated("this call needs a user"))?;
        let Ok(request_id) = RequestId::from_request_parts(parts, state).await;
        Ok(Self { user, request_id })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use axum::extract::FromRequestParts as _;
    use axum::http::Request;
    use chatbot_contract::Workload;
    use uuid::Uuid;

    use super::{ApiError, Caller, InternalAuth, Peer};

    async fn call(
        server: &InternalAuth,
        token: &str,
    ) -> (Result<Peer, ApiError>, Result<Caller, ApiError>) {
        let request = Request::builder()
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .unwrap();
        let (mut parts, ()) = request.into_parts();
        (
            Peer::from_request_parts(&mut parts, server).await,
            Caller::from_request_parts(&mut parts, server).await,
        )
    }

    #[tokio::test]
    async fn a_call_names_its_workload_and_its_user() {
        let user = Uuid::now_v7();
        let gateway = InternalAuth::new([1; 32], Workload::Gateway);
        let storage = InternalAuth::new([1; 32], Workload::Storage);
        let (peer, caller) = call(&storage, &gateway.token(Workload::Storage, Some(user))).await;
        assert_eq!(peer.unwrap().workload, Workload::Gateway);
        assert_eq!(caller.unwrap().user, user);
    }

    #[tokio::test]
    async fn a_call_without_a_user_is_no_call_for_one() {
        let auth = InternalAuth::new([1; 32], Workload::User);
        let (peer, caller) = call(&auth, &auth.token(Workload::User, None)).await;
        assert!(peer.is_ok());
        assert!(caller.is_err());
    }

    #[tokio::test]
    async fn a_token_for_another_workload_or_of_another_key_is_refused() {
        let storage = InternalAuth::new([1; 32], Workload::Storage);
        let gateway = InternalAuth::new([1; 32], Workload::Gateway);
        assert!(
            call(&storage, &gateway.token(Workload::Chat, None))
                .await
                .0
                .is_err()
        );
        let stranger = InternalAuth::new([2; 32], Workload::Gateway);
        assert!(
            call(&storage, &stranger.token(Workload::Storage, None))
                .await
                .0
                .is_err()
        );
        assert!(call(&storage, "x").await.0.is_err());
    }
}
