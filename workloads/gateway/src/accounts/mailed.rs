//! What people prove by a link that was sent to them: passed on to the user workload.

use axum::extract::State;
use axum::http::StatusCode;
use chatbot_api::accounts::{NewPasswordIn, ResetIn, VerifyIn};
use chatbot_api::error::ErrorOut;
use chatbot_api::internal::user;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{IdempotencyKey, Json};
use chatbot_runtime::request_id::RequestId;

use super::counted;
use crate::Callees;
use crate::address::ClientAddress;
use crate::limit::{Limits, Shown};
use crate::tokens::SignedIn;

/// Has the mail sent again whose link verifies the address of the one who asks. At most five within an hour.
#[utoipa::path(
    post, path = "/v1/verification", tag = "accounts",
    responses(
        (status = 202, description = "The mail will be sent."), (status = 204, description = "The address is verified."),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn send_verification(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
) -> Result<StatusCode, ApiError> {
    let call = callees.user.post(user::VERIFICATION, &[]);
    Ok(call.on_behalf_of(&caller).send().await?.status())
}

/// Verifies the address that a link was sent to. A link is good once, for 24 hours.
#[utoipa::path(
    post, path = "/v1/verification/confirm", tag = "accounts", security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request with the same key is answered the same.")),
    request_body = VerifyIn,
    responses((status = 204), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn verify(
    State(callees): State<Callees>,
    State(limits): State<Limits>,
    ClientAddress(address): ClientAddress,
    shown: Shown,
    request_id: RequestId,
    key: Option<IdempotencyKey>,
    Json(request): Json<VerifyIn>,
) -> Result<StatusCode, ApiError> {
    let attempt = limits.attempt(address, &shown).await?;
    let key = key.unwrap_or_else(IdempotencyKey::random);
    let call = callees.user.post(user::VERIFY, &[]).request_id(&request_id);
    counted(attempt, call.key(&key).json(&request).send().await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a mail sent whose link sets a new password. Whether the address has an account cannot be told from the answer.
#[utoipa::path(
    post, path = "/v1/password-reset", tag = "accounts", security(()),
    request_body = ResetIn,
    responses(
        (status = 202, description = "The mail will be sent, if the address has an account."),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn send_reset(
    State(callees): State<Callees>,
    State(limits): State<Limits>,
    ClientAddress(address): ClientAddress,
    shown: Shown,
    request_id: RequestId,
    Json(request): Json<ResetIn>,
) -> Result<StatusCode, ApiError> {
    // Nobody is told whether it went well, so every one of them counts.
    let _counted = limits.attempt(address, &shown).await?;
    let call = callees.user.post(user::RESET, &[]).request_id(&request_id);
    call.json(&request).send().await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password, and ends all sessions of the account. A link is good once, for an hour.
#[utoipa::path(
    post, path = "/v1/password-reset/confirm", tag = "accounts", security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request with the same key is answered the same.")),
    request_body = NewPasswordIn,
    responses((status = 204), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn set_password(
    State(callees): State<Callees>,
    State(limits): State<Limits>,
    ClientAddress(address): ClientAddress,
    shown: Shown,
    request_id: RequestId,
    key: Option<IdempotencyKey>,
    Json(request): Json<NewPasswordIn>,
) -> Result<StatusCode, ApiError> {
    let attempt = limits.attempt(address, &shown).await?;
    let key = key.unwrap_or_else(IdempotencyKey::random);
    let call = callees
        .user
        .post(user::NEW_PASSWORD, &[])
        .request_id(&request_id);
    counted(attempt, call.key(&key).json(&request).send().await).await?;
    Ok(StatusCode::NO_CONTENT)
}
