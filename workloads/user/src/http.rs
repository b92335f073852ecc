//! The interface for the gateway: [`chatbot_api::internal::user`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json as Body, Router, middleware};
use chatbot_api::accounts::{
    LoginIn, NewPasswordIn, RefreshIn, RegisterIn, ResetIn, TokensOut, UserOut, VerifyIn,
};
use chatbot_api::internal::user;
use chatbot_runtime::auth::{Caller, InternalAuth, Peer};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json};
use chatbot_runtime::layers;
use jsonwebtoken::jwk::JwkSet;

use crate::accounts::Accounts;
use crate::store::Store;

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
pub fn router<S: Store>(state: AppState<S>) -> Router {
    let router = Router::new()
        .route(user::REGISTER, post(register::<S>))
        .route(user::LOGIN, post(login::<S>))
        .route(user::REFRESH, post(refresh::<S>))
        .route(user::LOGOUT, post(logout::<S>))
        .route(user::ME, get(me::<S>))
        .route(user::VERIFICATION, post(send_verification::<S>))
        .route(user::VERIFY, post(verify::<S>))
        .route(user::RESET, post(send_reset::<S>))
        .route(user::NEW_PASSWORD, post(set_password::<S>))
        .route(user::JWKS, get(jwks::<S>))
        .route_layer(middleware::from_extractor_with_state::<Peer, _>(
            state.clone(),
        ));
    layers::time_limit(router, LIMIT).with_state(state)
}

async fn register<S: Store>(
    State(accounts): Domain<S>,
    key: IdempotencyKey,
    Json(request): Json<RegisterIn>,
) -> Result<(StatusCode, Body<TokensOut>), ApiError> {
    Ok((
        StatusCode::CREATED,
        Body(accounts.register(&key, request).await?),
    ))
}

async fn login<S: Store>(
    State(accounts): Domain<S>,
    Json(request): Json<LoginIn>,
) -> Result<Body<TokensOut>, ApiError> {
    Ok(Body(accounts.login(request).await?))
}

async fn refresh<S: Store>(
    State(accounts): Domain<S>,
    Json(request): Json<RefreshIn>,
) -> Result<Body<TokensOut>, ApiError> {
    Ok(Body(accounts.refresh(request).await?))
}

async fn logout<S: Store>(
    State(accounts): Domain<S>,
    Json(request): Json<RefreshIn>,
) -> Result<StatusCode, ApiError> {
    accounts.logout(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me<S: Store>(
    State(accounts): Domain<S>,
    caller: Caller,
) -> Result<Body<UserOut>, ApiError> {
    Ok(Body(accounts.account(caller.user).await?))
}

async fn send_verification<S: Store>(
    State(accounts): Domain<S>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let sent = accounts.send_verification(caller.user).await?;
    Ok(if sent {
        StatusCode::ACCEPTED
    } else {
        StatusCode::NO_CONTENT
    })
}

async fn verify<S: Store>(
    State(accounts): Domain<S>,
    key: IdempotencyKey,
    Json(request): Json<VerifyIn>,
) -> Result<StatusCode, ApiError> {
    accounts.verify(&key, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send_reset<S: Store>(
    State(accounts): Domain<S>,
    Json(request): Json<ResetIn>,
) -> Result<StatusCode, ApiError> {
    accounts.send_reset(&request).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn set_password<S: Store>(
    State(accounts): Domain<S>,
    key: IdempotencyKey,
    Json(request): Json<NewPasswordIn>,
) -> Result<StatusCode, ApiError> {
    accounts.set_password(&key, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn jwks<S: Store>(State(accounts): Domain<S>) -> Body<JwkSet> {
    Body(accounts.key_set())
}
