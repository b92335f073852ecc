//! The interface for the gateway: [`chatbot_api::internal::user`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json as Body, Router, middleware};
use chatbot_api::accounts::{LoginIn, RefreshIn, RegisterIn, TokensOut, UserOut};
use chatbot_api::internal::user;
use chatbot_runtime::auth::{Caller, InternalAuth, Peer};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json};
use chatbot_runtime::layers;
use jsonwebtoken::jwk::JwkSet;

use crate::accounts::Accounts;
use crate::store::AccountStore;

/// Longer than a request may wait for MySQL to fail over.
const LIMIT: Duration = Duration::from_secs(45);

/// What handlers use.
pub struct AppState<S> {
    /// The domain.
    pub accounts: Arc<Accounts<S>>,
    /// Checks calls.
    pub auth: InternalAuth,
}

impl<S> Clone for AppState<S> {
    fn clone(&self) -> Self {
        Self {
            accounts: Arc::clone(&self.accounts),
            auth: self.auth.clone(),
        }
    }
}

impl<S> FromRef<AppState<S>> for InternalAuth {
    fn from_ref(state: &AppState<S>) -> Self {
        state.auth.clone()
    }
}

impl<S> FromRef<AppState<S>> for Arc<Accounts<S>> {
    fn from_ref(state: &AppState<S>) -> Self {
        Arc::clone(&state.accounts)
    }
}

type Domain<S> = State<Arc<Accounts<S>>>;

/// All routes of the workload; each wants the token of a workload.
pub fn router<S: AccountStore>(state: AppState<S>) -> Router {
    let router = Router::new()
        .route(user::REGISTER, post(register::<S>))
        .route(user::LOGIN, post(login::<S>))
        .route(user::REFRESH, post(refresh::<S>))
        .route(user::LOGOUT, post(logout::<S>))
        .route(user::ME, get(me::<S>))
        .route(user::JWKS, get(jwks::<S>))
        .route_layer(middleware::from_extractor_with_state::<Peer, _>(
            state.clone(),
        ));
    layers::time_limit(router, LIMIT).with_state(state)
}

async fn register<S: AccountStore>(
    State(accounts): Domain<S>,
    key: IdempotencyKey,
    Json(request): Json<RegisterIn>,
) -> Result<(StatusCode, Body<TokensOut>), ApiError> {
    Ok((
        StatusCode::CREATED,
        Body(accounts.register(&key, request).await?),
    ))
}

async fn login<S: AccountStore>(
    State(accounts): Domain<S>,
    Json(request): Json<LoginIn>,
) -> Result<Body<TokensOut>, ApiError> {
    Ok(Body(accounts.login(request).await?))
}

async fn refresh<S: AccountStore>(
    State(accounts): Domain<S>,
    Json(request): Json<RefreshIn>,
) -> Result<Body<TokensOut>, ApiError> {
    Ok(Body(accounts.refresh(request).await?))
}

async fn logout<S: AccountStore>(
    State(accounts): Domain<S>,
    Json(request): Json<RefreshIn>,
) -> Result<StatusCode, ApiError> {
    accounts.logout(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me<S: AccountStore>(
    State(accounts): Domain<S>,
    caller: Caller,
) -> Result<Body<UserOut>, ApiError> {
    Ok(Body(accounts.account(caller.user).await?))
}

async fn jwks<S: AccountStore>(State(accounts): Domain<S>) -> Body<JwkSet> {
    Body(accounts.key_set())
}
