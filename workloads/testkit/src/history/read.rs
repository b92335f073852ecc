//! Reads everything back.

use std::time::{Duration, Instant};

use chatbot_api::conversations::MessageOut;
use uuid::Uuid;

use super::client::{Client, Failure};
use super::load;

/// How long one page may take, with all attempts.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one user can read.
#[derive(Clone, Debug, Default)]
pub struct Readable {
    /// Each conversation with its messages, in the order of the interface.
    pub conversations: Vec<(Uuid, Vec<MessageOut>)>,
}

/// Reads all conversations of all users.
///
/// # Errors
/// Fails when a page cannot be read in time.
pub async fn everything(clients: &mut [Client]) -> Result<Vec<Readable>, Failure> {
    let mut all = Vec::new();
    for client in clients {
        all.push(of_user(client).await?);
    }
    Ok(all)
}

async fn of_user(client: &mut Client) -> Result<Readable, Failure> {
    let mut readable = Readable::default();
    let mut cursor = None;
    loop {
        let page = patiently(client, async |client| {
            client.conversations(cursor.as_deref()).await
        })
        .await?;
        for conversation in page.data {
            let messages = messages(client, conversation.id).await?;
            readable.conversations.push((conversation.id, messages));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(readable);
        }
    }
}

async fn messages(client: &mut Client, conversation: Uuid) -> Result<Vec<MessageOut>, Failure> {
    let mut messages = Vec::new();
    let mut cursor = None;
    loop {
        let page = patiently(client, async |client| {
            client.messages(conversation, cursor.as_deref()).await
        })
        .await?;
        messages.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(messages);
        }
    }
}

async fn patiently<T>(
    client: &mut Client,
    read: impl AsyncFn(&mut Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let give_up = Instant::now() + PATIENCE;
    let mut delays = load::delays();
    loop {
        let failure = match read(client).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let delay = delays.next().unwrap_or(PATIENCE);
        if matches!(failure, Failure::Refused { .. }) || Instant::now() + delay > give_up {
            return Err(failure);
        }
        tokio::time::sleep(delay).await;
    }
}
