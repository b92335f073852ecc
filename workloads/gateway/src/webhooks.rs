//! Webhooks: passed on to the storage workload.

use axum::Json as Body;
use axum::extract::State;
use axum::http::StatusCode;
use chatbot_api::conversations::{Page, PageIn};
use chatbot_api::error::ErrorOut;
use chatbot_api::internal::storage;
use chatbot_api::webhooks::{DeliveryOut, WebhookIn, WebhookOut, WebhookPatchIn};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{Json, Path, Query};
use uuid::Uuid;

use crate::Callees;
use crate::tokens::SignedIn;

/// Makes a webhook. Only this answer has its secret. At most ten of a user.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookIn,
    responses(
        (status = 201, body = WebhookOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn create(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Json(request): Json<WebhookIn>,
) -> Result<(StatusCode, Body<WebhookOut>), ApiError> {
    let call = callees.storage.post(storage::WEBHOOKS, &[]).json(&request);
    let created = call.on_behalf_of(&caller).receive().await?;
    Ok((StatusCode::CREATED, Body(created)))
}

/// The user's webhooks, oldest first.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    responses(
        (status = 200, body = Page<WebhookOut>),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn list(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
) -> Result<Body<Page<WebhookOut>>, ApiError> {
    let call = callees.storage.get(storage::WEBHOOKS, &[]);
    call.on_behalf_of(&caller).receive().await.map(Body)
}

/// A webhook.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook_id}", tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    responses(
        (status = 200, body = WebhookOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn read(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(webhook): Path<Uuid>,
) -> Result<Body<WebhookOut>, ApiError> {
    let call = callees.storage.get(storage::WEBHOOK, &[webhook]);
    call.on_behalf_of(&caller).receive().await.map(Body)
}

/// Changes a webhook. `disabled: false` enables it, whatever disabled it; what waited is sent then.
#[utoipa::path(
    patch, path = "/v1/webhooks/{webhook_id}", tag = "webhooks",
    params(("webhook_id" = Uuid, Path)), request_body = WebhookPatchIn,
    responses(
        (status = 200, body = WebhookOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn change(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(webhook): Path<Uuid>,
    Json(request): Json<WebhookPatchIn>,
) -> Result<Body<WebhookOut>, ApiError> {
    let call = callees.storage.patch(storage::WEBHOOK, &[webhook]);
    let call = call.json(&request).on_behalf_of(&caller);
    call.receive().await.map(Body)
}

/// Deletes a webhook. Nothing more is sent to it.
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook_id}", tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    responses((status = 204), (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut))
)]
pub(crate) async fn delete(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(webhook): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    let call = callees.storage.delete(storage::WEBHOOK, &[webhook]);
    call.on_behalf_of(&caller).send().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret. Only this answer has it. The one before it signs as well for 24 hours.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook_id}/rotate-secret", tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    responses(
        (status = 200, body = WebhookOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn rotate_secret(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(webhook): Path<Uuid>,
) -> Result<Body<WebhookOut>, ApiError> {
    let call = callees.storage.post(storage::WEBHOOK_SECRET, &[webhook]);
    call.on_behalf_of(&caller).receive().await.map(Body)
}

/// Has a message of the type `webhook.test` sent, once. At most ten within a minute.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook_id}/test", tag = "webhooks",
    params(("webhook_id" = Uuid, Path)),
    responses(
        (status = 202, body = DeliveryOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn test(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(webhook): Path<Uuid>,
) -> Result<(StatusCode, Body<DeliveryOut>), ApiError> {
    let call = callees.storage.post(storage::WEBHOOK_TEST, &[webhook]);
    let delivery = call.on_behalf_of(&caller).receive().await?;
    Ok((StatusCode::ACCEPTED, Body(delivery)))
}

/// A page of the messages to a webhook of the last seven days, newest first, each with its last attempt.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook_id}/deliveries", tag = "webhooks",
    params(("webhook_id" = Uuid, Path), PageIn),
    responses(
        (status = 200, body = Page<DeliveryOut>),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn deliveries(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Path(webhook): Path<Uuid>,
    Query(page): Query<PageIn>,
) -> Result<Body<Page<DeliveryOut>>, ApiError> {
    let call = callees.storage.get(storage::WEBHOOK_DELIVERIES, &[webhook]);
    let call = call.query(&page).on_behalf_of(&caller);
    call.receive().await.map(Body)
}
