//! Webhooks as a caller sees them: makes ids, times and secrets, checks what is asked for, seals what is stored.
//!
//! What is sent follows the Standard Webhooks specification (<https://www.standardwebhooks.com>): [`consumer`] makes
//! messages of events, [`sender`] sends those that are due, [`signature`] signs them, [`address`] says where they may go.

pub mod address;
pub mod consumer;
mod request;
pub mod schedule;
pub mod sender;
mod show;
pub mod signature;

use std::sync::Arc;

use chatbot_api::conversations::Page;
use chatbot_api::webhooks::{
    DeliveryOut, DeliveryStatus, TEST, WebhookIn, WebhookOut, WebhookPatchIn,
};
use chatbot_contract::events::Kind;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;
use url::Url;
use uuid::Uuid;

use crate::crypto::{self, DataKey, Place, WebhookPart};
use crate::cursor::{self, DeliveryCursor};
use crate::service::{self, Conversations, keys::Keys};
use crate::store::deliveries::{DeliveryStore, NewDelivery};
use crate::store::webhooks::{Added, Changes, NewWebhook, WebhookRow};
use crate::store::{self, Store};
use address::Rules;
use show::{delivery, opened};
use signature::Secret;

/// Most webhooks of a user.
pub const WEBHOOKS: u32 = 10;

/// Most characters of a URL, and of a description.
const URL_CHARACTERS: usize = 2_048;
const DESCRIPTION_CHARACTERS: usize = 256;

/// How long the secret before the last one signs as well, in milliseconds.
const OLD_SECRET: i64 = 24 * 60 * 60 * 1000;

/// Most test messages of a webhook within a minute.
const TESTS: u32 = 10;

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is out of range.
    #[error("{problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// There is no log of events.
    #[error(
        "this system has no Kafka and tells no events, so there are no webhooks; its administrator can give it one"
    )]
    NotConfigured,
    /// The user has enough of them.
    #[error("you have {WEBHOOKS} webhooks, and more are not allowed; delete one first")]
    TooMany,
    /// The user asked for enough of them.
    #[error("{TESTS} test messages were sent within a minute; try again later")]
    TooManyTests,
    /// The user's key cannot be had.
    #[error(transparent)]
    Keys(#[from] service::Error),
    /// The store says no, or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something stored cannot be read.
    #[error("failed to decrypt what is stored of a webhook")]
    Crypto(#[from] crypto::Error),
    /// Something stored makes no sense.
    #[error("what is stored of a webhook makes no sense")]
    Secret(#[from] signature::NoSecret),
    /// Something stored makes no sense.
    #[error("a stored time is out of range")]
    Time(#[from] jiff::Error),
}

impl From<cursor::Invalid> for Error {
    fn from(invalid: cursor::Invalid) -> Self {
        invalid_field("cursor", invalid.to_string())
    }
}

/// All webhooks.
pub struct Webhooks<S> {
    store: S,
    keys: Keys,
    rules: Rules,
    /// Whether events are told: otherwise a webhook would never hear anything.
    told: bool,
    /// Says that a message was added.
    added: Arc<Notify>,
}

impl<S: Store + DeliveryStore> Webhooks<S> {
    /// Makes the service, with the store and the keys of these conversations.
    pub fn new(conversations: &Conversations<S>, rules: Rules, told: bool) -> Self
    where
        S: Clone,
    {
        Self {
            store: conversations.store().clone(),
            keys: conversations.keys(),
            rules,
            told,
            added: Arc::new(Notify::new()),
        }
    }

    /// Makes a webhook; only this answer has its secret.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, user: Uuid, request: WebhookIn) -> Result<WebhookOut, Error> {
        if !self.told {
            return Err(Error::NotConfigured);
        }
        let WebhookIn {
            url,
            events,
            description,
        } = request;
        let url = self.checked_url(&url).await?;
        let events = checked_events(&events)?;
        checked_description(&description)?;
        let now = now();
        let key = self.keys.get_or_make(&self.store, user, now).await?;
        let (id, secret) = (Uuid::now_v7(), Secret::random());
        let new = NewWebhook {
            id,
            user_id: user,
            url: seal(&key, id, WebhookPart::Url, &url),
            description: seal(&key, id, WebhookPart::Description, &description),
            secret: seal(&key, id, WebhookPart::Secret, secret.text()),
            events,
            now,
        };
        if self.store.add_webhook(&new, WEBHOOKS).await? == Added::Enough {
            return Err(Error::TooMany);
        }
        let row = self.store.webhook(user, id).await?;
        Ok(WebhookOut {
            secret: Some(secret.text().to_owned()),
            ..opened(&key, row)?
        })
    }

    /// The user's webhooks, oldest first, all on one page.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(&self, user: Uuid) -> Result<Page<WebhookOut>, Error> {
        let rows = self.store.webhooks(user).await?;
        let data = if rows.is_empty() {
            Vec::new()
        } else {
            let key = self.keys.get(&self.store, user).await?;
            let opened = rows.into_iter().map(|row| opened(&key, row));
            opened.collect::<Result<_, _>>()?
        };
        Ok(Page {
            data,
            next_cursor: None,
        })
    }

    /// One webhook.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, user: Uuid, id: Uuid) -> Result<WebhookOut, Error> {
        let row = self.store.webhook(user, id).await?;
        opened(&self.keys.get(&self.store, user).await?, row)
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change(
        &self,
        user: Uuid,
        id: Uuid,
        request: WebhookPatchIn,
    ) -> Result<WebhookOut, Error> {
        let WebhookPatchIn {
            url,
            events,
            description,
            disabled,
        } = request;
        // Another user's webhook is not there, whatever is asked of it.
        self.store.webhook(user, id).await?;
        let key = self.keys.get(&self.store, user).await?;
        let url = match url {
            Some(url) => Some(self.checked_url(&url).await?),
            None => None,
        };
        if let Some(description) = &description {
            checked_description(description)?;
        }
        let changes = Changes {
            url: url.map(|url| seal(&key, id, WebhookPart::Url, &url)),
            description: description.map(|text| seal(&key, id, WebhookPart::Description, &text)),
            events: events.as_deref().map(checked_events).transpose()?,
            disabled,
        };
        let row = self.store.change_webhook(user, id, &changes).await?;
        self.added.notify_one();
        opened(&key, row)
    }

    /// Gives a webhook a new secret; only this answer has it. The one before it signs as well for a day.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rotate(&self, user: Uuid, id: Uuid) -> Result<WebhookOut, Error> {
        self.store.webhook(user, id).await?;
        let key = self.keys.get(&self.store, user).await?;
        let secret = Secret::random();
        let sealed = seal(&key, id, WebhookPart::Secret, secret.text());
        let until = now() + OLD_SECRET;
        let row = self.store.rotate_secret(user, id, &sealed, until).await?;
        Ok(WebhookOut {
            secret: Some(secret.text().to_owned()),
            ..opened(&key, row)?
        })
    }

    /// Removes a webhook.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&self, user: Uuid, id: Uuid) -> Result<(), Error> {
        Ok(self.store.remove_webhook(user, id).await?)
    }

    /// Has a message sent that means nothing, once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn test(&self, user: Uuid, id: Uuid) -> Result<DeliveryOut, Error> {
        if !self.told {
            return Err(Error::NotConfigured);
        }
        let row = self.store.webhook(user, id).await?;
        if row.disabled_reason.is_some() {
            let problem = "this webhook is disabled; enable it first";
            return Err(invalid_field("disabled", problem));
        }
        let now = now();
        if self.store.made_since(id, TEST, now - 60_000).await? >= TESTS {
            return Err(Error::TooManyTests);
        }
        let time = Timestamp::from_millisecond(now)?;
        let body = json!({"type": TEST, "timestamp": time, "data": {"webhook_id": id}});
        let new = NewDelivery {
            id: Uuid::now_v7(),
            webhook_id: id,
            event_id: Uuid::now_v7(),
            kind: TEST.to_owned(),
            body: body.to_string().into_bytes(),
            now,
        };
        self.store
            .add_deliveries(std::slice::from_ref(&new))
            .await?;
        self.added.notify_one();
        Ok(DeliveryOut {
            id: new.id,
            webhook_id: new.event_id.to_string(),
            kind: new.kind,
            status: DeliveryStatus::Waiting,
            created_at: time,
            attempts: 0,
            last_attempt: None,
            next_attempt_at: Some(time),
        })
    }

    /// One page of the messages to a webhook, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn deliveries(
        &self,
        user: Uuid,
        id: Uuid,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page<DeliveryOut>, Error> {
        let limit = service::page_size(limit)?;
        self.store.webhook(user, id).await?;
        let before = cursor.map(DeliveryCursor::decode).transpose()?;
        let before = before.map(|DeliveryCursor(id)| id);
        let rows = self.store.deliveries(id, before, limit + 1).await?;
        let (rows, more) = service::cut(rows, limit);
        let last = rows.last().map(|row| DeliveryCursor(row.id));
        let data = rows.into_iter().map(delivery).collect::<Result<_, _>>()?;
        Ok(Page {
            data,
            next_cursor: last.filter(|_| more).map(DeliveryCursor::encode),
        })
    }

    /// A URL as it is stored, where messages may go there.
    async fn checked_url(&self, text: &str) -> Result<String, Error> {
        let wrong = |problem: String| invalid_field("url", problem);
        let url = Url::parse(text).map_err(|error| wrong(format!("this is no URL: {error}")))?;
        if url.as_str().len() > URL_CHARACTERS {
            return Err(wrong(format!(
                "the URL has more than {URL_CHARACTERS} characters"
            )));
        }
        let checked = self.rules.look_up(&url).await;
        checked.map_err(|refused| wrong(refused.to_string()))?;
        Ok(url.into())
    }

    /// The secrets that sign now, the newest first.
    pub(crate) fn secrets(&self, key: &DataKey, row: &WebhookRow) -> Result<Vec<Secret>, Error> {
        let part = Place::Webhook {
            webhook: row.id,
            part: WebhookPart::Secret,
        };
        let mut secrets = vec![Secret::parse(&key.open(part, &row.secret)?)?];
        if let Some(old) = &row.old_secret
            && row.old_secret_until.is_some_and(|until| now() < until)
        {
            secrets.push(Secret::parse(&key.open(part, old)?)?);
        }
        Ok(secrets)
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn invalid_field(field: &'static str, problem: impl Into<String>) -> Error {
    let problem = problem.into();
    Error::Invalid { field, problem }
}

fn checked_events(events: &[String]) -> Result<String, Error> {
    if let Some(unknown) = events
        .iter()
        .find(|name| !Kind::NAMES.contains(&name.as_str()))
    {
        let known = Kind::NAMES.join(", ");
        let problem = format!("there are no events `{unknown}`; there are: {known}");
        return Err(invalid_field("events", problem));
    }
    let wanted = Kind::NAMES
        .into_iter()
        .filter(|name| events.iter().any(|event| event == name));
    Ok(wanted.collect::<Vec<_>>().join(","))
}

fn checked_description(text: &str) -> Result<(), Error> {
    if text.chars().count() > DESCRIPTION_CHARACTERS {
        let problem = format!("the description has more than {DESCRIPTION_CHARACTERS} characters");
        return Err(invalid_field("description", problem));
    }
    Ok(())
}

fn seal(key: &DataKey, webhook: Uuid, part: WebhookPart, text: &str) -> Vec<u8> {
    key.seal(Place::Webhook { webhook, part }, text)
}
