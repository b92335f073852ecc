//! Access tokens: who asks, checked by the key set that the user workload publishes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::{HeaderMap, request::Parts};
use chatbot_api::internal::user;
use chatbot_contract::identity::ACCESS_TOKEN_AUDIENCE;
use chatbot_runtime::auth::{Caller, bearer};
use chatbot_runtime::client::Client;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::health::Gate;
use chatbot_runtime::request_id::RequestId;
use chatbot_runtime::revocations::Revocations;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::limit::{Limits, Shown};
use crate::requests::Asker;

/// Time between two fetches of the key set.
const CALM: Duration = Duration::from_secs(60);

/// Shortest time between two fetches, for a key that is not known or a fetch that failed.
const SOONEST: Duration = Duration::from_secs(1);

/// How far the clocks of two nodes may differ.
const LEEWAY: u64 = 10;

/// The key set and the rules of tokens. Clones share them.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    user: Client,
    revocations: Revocations,
    validation: Validation,
    keys: RwLock<HashMap<String, DecodingKey>>,
    /// When the set was fetched last; held while it is fetched, so that one request asks.
    fetched: Mutex<Option<Instant>>,
}

/// What a valid token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: Uuid,
    /// When the token expires, in seconds since 1970.
    pub expires_at: u64,
    /// The session it belongs to.
    pub session: Option<Uuid>,
}

impl Identity {
    /// How long the token still holds.
    #[must_use]
    pub fn left(&self) -> Duration {
        let now = jsonwebtoken::get_current_timestamp();
        Duration::from_secs(self.expires_at.saturating_sub(now))
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    exp: u64,
    #[serde(default)]
    sid: Option<Uuid>,
}

/// The user who sends a request, by the token in its `Authorization` header; the request is counted.
pub struct SignedIn(pub Caller);

impl Tokens {
    /// Makes the rules; there is no key yet.
    #[must_use]
    pub fn new(user: Client, issuer: &str, revocations: Revocations) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY;
        validation.set_audience(&[ACCESS_TOKEN_AUDIENCE]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let (keys, fetched) = (RwLock::default(), Mutex::new(None));
        Self {
            inner: Arc::new(Inner {
                user,
                revocations,
                validation,
                keys,
                fetched,
            }),
        }
    }

    /// Checks a token.
    ///
    /// # Errors
    /// 401 when it does not hold; 503 when its key cannot be asked for.
    pub async fn verify(&self, token: &str) -> Result<Identity, ApiError> {
        let key = jsonwebtoken::decode_header(token)
            .ok()
            .and_then(|header| header.kid)
            .ok_or_else(|| {
                ApiError::unauthenticated("this is not an access token of this system")
            })?;
        let known = match self.key(&key) {
            Some(known) => Some(known),
            None => {
                self.fetch().await?;
                self.key(&key)
            }
        };
        let known = known.ok_or_else(|| {
            ApiError::unauthenticated("the access token has an unknown key; log in again")
        })?;
        let token = jsonwebtoken::decode::<Claims>(token, &known, &self.inner.validation).map_err(
            |error| {
                ApiError::unauthenticated(match error.kind() {
                    ErrorKind::ExpiredSignature => {
                        "the access token has expired; refresh it or log in again"
                    }
                    _ => "the access token does not hold; log in again",
                })
            },
        )?;
        let Claims { sub, exp, sid } = token.claims;
        let identity = Identity {
            user: sub,
            expires_at: exp,
            session: sid,
        };
        if self.ended(&identity).await {
            return Err(ApiError::unauthenticated(
                "the session of this access token has ended; log in again",
            ));
        }
        Ok(identity)
    }

    /// Whether the session of a token that holds is known to have ended.
    pub async fn ended(&self, identity: &Identity) -> bool {
        match identity.session {
            Some(session) => self.inner.revocations.has(session).await,
            None => false,
        }
    }

    /// Checks the token of an `Authorization: Bearer` header.
    ///
    /// # Errors
    /// 401 when there is none or it does not hold; 503 when its key cannot be asked for.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, ApiError> {
        let token = bearer(headers).ok_or_else(|| {
            ApiError::unauthenticated(
                "log in, and send the access token in the header Authorization: Bearer",
            )
        })?;
        self.verify(token).await
    }

    /// Keeps the key set fresh for ever, and opens `gate` when there is one.
    pub async fn follow(self, gate: Gate) {
        loop {
            let pause = match self.fetch().await {
                Ok(()) => {
                    gate.open();
                    CALM
                }
                Err(_) => SOONEST,
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn key(&self, id: &str) -> Option<DecodingKey> {
        self.inner
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    async fn fetch(&self) -> Result<(), ApiError> {
        let mut fetched = self.inner.fetched.lock().await;
        // Tokens with made-up keys must not become calls.
        if fetched.is_some_and(|at| at.elapsed() < SOONEST) {
            return Ok(());
        }
        let set: JwkSet = self.inner.user.get(user::JWKS, &[]).receive().await?;
        *fetched = Some(Instant::now());
        let keys: HashMap<_, _> = set
            .keys
            .iter()
            .filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)))
            .collect();
        *self
            .inner
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

impl<S> FromRequestParts<S> for SignedIn
where
    Tokens: FromRef<S>,
    Limits: FromRef<S>,
    S: Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let identity = Tokens::from_ref(state).identify(&parts.headers).await?;
        let Ok(asker) = Asker::from_request_parts(parts, state).await;
        asker.is(identity.user);
        let Ok(shown) = Shown::from_request_parts(parts, state).await;
        Limits::from_ref(state)
            .request(identity.user, &shown)
            .await?;
        let Ok(request_id) = RequestId::from_request_parts(parts, state).await;
        Ok(Self(Caller {
            user: identity.user,
            request_id,
        }))
    }
}
