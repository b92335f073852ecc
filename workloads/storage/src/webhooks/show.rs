//! Rows as their user sees them.

use chatbot_api::webhooks::{AttemptOut, DeliveryOut, DeliveryStatus, DisabledReason, WebhookOut};
use jiff::Timestamp;

use super::{Error, now};
use crate::crypto::{DataKey, Place, WebhookPart};
use crate::store::deliveries::DeliveryRow;
use crate::store::webhooks::WebhookRow;

pub(super) fn opened(key: &DataKey, row: WebhookRow) -> Result<WebhookOut, Error> {
    let open = |part, sealed: &[u8]| {
        let webhook = row.id;
        key.open(Place::Webhook { webhook, part }, sealed)
    };
    let time = |at: Option<i64>| at.map(Timestamp::from_millisecond).transpose();
    let names = row.events.split(',').filter(|name| !name.is_empty());
    let until = row.old_secret_until.filter(|until| now() < *until);
    Ok(WebhookOut {
        id: row.id,
        url: open(WebhookPart::Url, &row.url)?,
        events: names.map(str::to_owned).collect(),
        description: open(WebhookPart::Description, &row.description)?,
        disabled: row.disabled_reason.is_some(),
        disabled_reason: row.disabled_reason.as_deref().map(DisabledReason::parse),
        created_at: Timestamp::from_millisecond(row.created_at)?,
        last_success_at: time(row.last_success_at)?,
        secret: None,
        old_secret_until: time(until)?,
    })
}

pub(super) fn delivery(row: DeliveryRow) -> Result<DeliveryOut, Error> {
    let status = match (row.due_at, row.delivered) {
        (_, true) => DeliveryStatus::Delivered,
        (Some(_), false) => DeliveryStatus::Waiting,
        (None, false) => DeliveryStatus::Failed,
    };
    let last_attempt = match row.attempted_at {
        Some(at) => Some(AttemptOut {
            at: Timestamp::from_millisecond(at)?,
            latency_ms: row.latency_ms.unwrap_or_default(),
            http_status: row.http_status,
            problem: row.problem,
        }),
        None => None,
    };
    let next = row.due_at.map(Timestamp::from_millisecond).transpose()?;
    Ok(DeliveryOut {
        id: row.id,
        webhook_id: row.event_id.to_string(),
        kind: row.kind,
        status,
        created_at: Timestamp::from_millisecond(row.created_at)?,
        attempts: row.attempts,
        last_attempt,
        next_attempt_at: next,
    })
}
