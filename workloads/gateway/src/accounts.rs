//! Accounts: passed on to the user workload.

pub(crate) mod mailed;

use axum::Json as Body;
use axum::extract::State;
use axum::http::StatusCode;
use chatbot_api::accounts::{LoginIn, RefreshIn, RegisterIn, TokensOut, UserOut};
use chatbot_api::error::ErrorOut;
use chatbot_api::internal::user;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json};
use chatbot_runtime::request_id::RequestId;
use jsonwebtoken::jwk::JwkSet;

use crate::Callees;
use crate::address::ClientAddress;
use crate::limit::{Attempt, Limits, Shown};
use crate::tokens::SignedIn;

/// Makes an account and logs in.
#[utoipa::path(
    post, path = "/v1/auth/register", tag = "accounts", security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one account.")),
    request_body = RegisterIn,
    responses((status = 201, body = TokensOut), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn register(
    State(callees): State<Callees>,
    State(limits): State<Limits>,
    ClientAddress(address): ClientAddress,
    shown: Shown,
    request_id: RequestId,
    key: Option<IdempotencyKey>,
    Json(request): Json<RegisterIn>,
) -> Result<(StatusCode, Body<TokensOut>), ApiError> {
    let attempt = limits.attempt(address, &shown).await?;
    let key = key.unwrap_or_else(IdempotencyKey::random);
    let call = callees
        .user
        .post(user::REGISTER, &[])
        .request_id(&request_id)
        .key(&key)
        .json(&request);
    let tokens = counted(attempt, call.receive().await).await?;
    Ok((StatusCode::CREATED, Body(tokens)))
}

/// Logs in.
#[utoipa::path(
    post, path = "/v1/auth/login", tag = "accounts", security(()),
    request_body = LoginIn,
    responses((status = 200, body = TokensOut), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn login(
    State(callees): State<Callees>,
    State(limits): State<Limits>,
    ClientAddress(address): ClientAddress,
    shown: Shown,
    request_id: RequestId,
    Json(request): Json<LoginIn>,
) -> Result<Body<TokensOut>, ApiError> {
    let attempt = limits.attempt(address, &shown).await?;
    let tokens = session(&callees, user::LOGIN, &request_id, &request).await;
    counted(attempt, tokens).await.map(Body)
}

/// Exchanges a refresh token for new tokens. Each refresh token is used once; a used one that
/// comes again later ends the session.
#[utoipa::path(
    post, path = "/v1/auth/refresh", tag = "accounts", security(()),
    request_body = RefreshIn,
    responses((status = 200, body = TokensOut), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn refresh(
    State(callees): State<Callees>,
    request_id: RequestId,
    Json(request): Json<RefreshIn>,
) -> Result<Body<TokensOut>, ApiError> {
    session(&callees, user::REFRESH, &request_id, &request)
        .await
        .map(Body)
}

/// Ends the session of a refresh token.
#[utoipa::path(
    post, path = "/v1/auth/logout", tag = "accounts", security(()),
    request_body = RefreshIn,
    responses((status = 204), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn logout(
    State(callees): State<Callees>,
    request_id: RequestId,
    Json(request): Json<RefreshIn>,
) -> Result<StatusCode, ApiError> {
    let call = callees.user.post(user::LOGOUT, &[]).request_id(&request_id);
    call.key(&IdempotencyKey::random())
        .json(&request)
        .send()
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The account of the one who asks.
#[utoipa::path(
    get, path = "/v1/me", tag = "accounts",
    responses((status = 200, body = UserOut), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn me(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
) -> Result<Body<UserOut>, ApiError> {
    callees
        .user
        .get(user::ME, &[])
        .on_behalf_of(&caller)
        .receive()
        .await
        .map(Body)
}

/// The public keys of access tokens (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "accounts", security(()),
    responses((status = 200, body = serde_json::Value), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn jwks(
    State(callees): State<Callees>,
    request_id: RequestId,
) -> Result<Body<JwkSet>, ApiError> {
    callees
        .user
        .get(user::JWKS, &[])
        .request_id(&request_id)
        .receive()
        .await
        .map(Body)
}

/// What was not the caller's failure does not count against its address.
async fn counted<T>(attempt: Attempt, result: Result<T, ApiError>) -> Result<T, ApiError> {
    let failed = result
        .as_ref()
        .is_err_and(|error| error.status().is_client_error());
    if !failed {
        attempt.succeeded().await;
    }
    result
}

/// Logging in twice makes two sessions, and refreshing twice at once two successors: neither does
/// harm, so these calls are marked as ones that may be tried again.
async fn session<T: serde::Serialize>(
    callees: &Callees,
    path: &str,
    request_id: &RequestId,
    request: &T,
) -> Result<TokensOut, ApiError> {
    let call = callees.user.post(path, &[]).request_id(request_id);
    call.key(&IdempotencyKey::random())
        .json(request)
        .receive()
        .await
}
