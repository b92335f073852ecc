//! The part of the interface that is about webhooks.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use chatbot_api::conversations::{Page, PageIn};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::storage;
use chatbot_api::webhooks::{DeliveryOut, WebhookIn, WebhookOut, WebhookPatchIn};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::{Json, Path, Query};
use uuid::Uuid;

use super::AppState;
use crate::service;
use crate::store::deliveries::DeliveryStore;
use crate::store::{self, Store};
use crate::webhooks::{Error, Webhooks};

type All<S> = State<Arc<Webhooks<S>>>;

/// When to ask for another test message.
const TEST_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) fn routes<S: Store + DeliveryStore>() -> Router<AppState<S>> {
    Router::new()
        .route(storage::WEBHOOKS, get(list::<S>).post(create::<S>))
        .route(
            storage::WEBHOOK,
            get(read::<S>).patch(change::<S>).delete(delete::<S>),
        )
        .route(storage::WEBHOOK_SECRET, post(rotate::<S>))
        .route(storage::WEBHOOK_TEST, post(test::<S>))
        .route(storage::WEBHOOK_DELIVERIES, get(deliveries::<S>))
}

async fn create<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Json(request): Json<WebhookIn>,
) -> Result<(StatusCode, axum::Json<WebhookOut>), ApiError> {
    let created = all.create(caller.user, request).await?;
    Ok((StatusCode::CREATED, axum::Json(created)))
}

async fn list<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
) -> Result<axum::Json<Page<WebhookOut>>, ApiError> {
    Ok(axum::Json(all.list(caller.user).await?))
}

async fn read<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<WebhookOut>, ApiError> {
    Ok(axum::Json(all.get(caller.user, id).await?))
}

async fn change<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Json(request): Json<WebhookPatchIn>,
) -> Result<axum::Json<WebhookOut>, ApiError> {
    Ok(axum::Json(all.change(caller.user, id, request).await?))
}

async fn delete<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    all.delete(caller.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<WebhookOut>, ApiError> {
    Ok(axum::Json(all.rotate(caller.user, id).await?))
}

async fn test<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, axum::Json<DeliveryOut>), ApiError> {
    let delivery = all.test(caller.user, id).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(delivery)))
}

async fn deliveries<S: Store + DeliveryStore>(
    State(all): All<S>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(page): Query<PageIn>,
) -> Result<axum::Json<Page<DeliveryOut>>, ApiError> {
    Ok(axum::Json(
        all.deliveries(caller.user, id, page.cursor.as_deref(), page.limit)
            .await?,
    ))
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { field, problem } => Self::invalid(field, problem),
            Error::NotConfigured => Self::new(ErrorCode::NotConfigured, error.to_string()),
            Error::TooMany => Self::new(ErrorCode::TooManyWebhooks, error.to_string()),
            Error::TooManyTests => {
                Self::new(ErrorCode::RateLimited, error.to_string()).retry_after(TEST_AGAIN)
            }
            Error::Store(store::Error::NotFound) => Self::not_found("this webhook"),
            Error::Store(error) => service::Error::Store(error).into(),
            Error::Keys(error) => error.into(),
            Error::Crypto(_) | Error::Secret(_) | Error::Time(_) => Self::internal(&error),
        }
    }
}
