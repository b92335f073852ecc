//! Lets users talk, and records what they see.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::client::{Attempt, Client, Failure};
use super::{AttemptFailure, History, Sent, UserHistory};

/// What a run shall do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The public URL.
    pub url: Url,
    /// Users that talk at the same time.
    pub users: usize,
    /// Messages of a conversation, before the next one begins.
    pub conversation_length: usize,
    /// How long a message is sent again.
    pub patience: Duration,
    /// Pause of a user between an answer and the next message.
    pub pause: Duration,
    /// Messages after which a user stops by itself.
    pub most_messages: Option<usize>,
}

impl Options {
    /// Usual settings for `users` users of `url`.
    #[must_use]
    pub const fn new(url: Url, users: usize) -> Self {
        Self {
            url,
            users,
            conversation_length: 6,
            patience: Duration::from_secs(120),
            pause: Duration::from_millis(50),
            most_messages: None,
        }
    }
}

/// Users that have talked, and what they saw.
pub struct Ran {
    /// The users, to read back with.
    pub clients: Vec<Client>,
    /// What they saw.
    pub history: History,
}

/// Lets users talk until `stop`; each ends the message it is at.
///
/// # Errors
/// Fails when a user cannot register within the patience: then there is nothing to check.
pub async fn run(options: &Options, stop: CancellationToken) -> Result<Ran, Failure> {
    let began = Instant::now();
    let users = (0..options.users).map(|number| {
        let user = User {
            number,
            began,
            options: options.clone(),
            client: Client::new(options.url.clone()),
            history: UserHistory::default(),
        };
        tokio::spawn(user.talk(stop.clone()))
    });
    let (mut clients, mut histories) = (Vec::new(), Vec::new());
    for user in users.collect::<Vec<_>>() {
        let user = user.await.map_err(|_| Failure::Again {
            seen: "a user of the checker panicked".to_owned(),
        })??;
        clients.push(user.client);
        histories.push(user.history);
    }
    Ok(Ran {
        clients,
        history: History {
            began,
            ended: Instant::now(),
            users: histories,
        },
    })
}

struct User {
    number: usize,
    began: Instant,
    options: Options,
    client: Client,
    history: UserHistory,
}

impl User {
    async fn talk(mut self, stop: CancellationToken) -> Result<Self, Failure> {
        self.register().await?;
        let mut conversation = None;
        let mut length = 0;
        for count in 0_usize.. {
            if stop.is_cancelled() || self.options.most_messages.is_some_and(|most| count >= most) {
                break;
            }
            // Half of the answers are streamed, and no user does the same as the one beside it.
            let stream = (count + self.number).is_multiple_of(2);
            let sent = self.send(conversation, count, stream, &stop).await;
            conversation = sent
                .accepted
                .as_ref()
                .map(|(_, message)| message.conversation_id);
            self.history.messages.push(sent);
            length += 1;
            if length >= self.options.conversation_length {
                // Every fourth conversation is deleted, so that deletion is checked too.
                if let Some(id) = conversation
                    && (count / self.options.conversation_length) % 4 == 3
                {
                    self.delete(id).await;
                }
                (conversation, length) = (None, 0);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(self.options.pause) => {}
            }
        }
        Ok(self)
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let give_up = Instant::now() + self.options.patience;
        let mut delays = delays();
        loop {
            let failure = match self.client.register().await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let delay = delays.next().unwrap_or(self.options.patience);
            if matches!(failure, Failure::Refused { .. }) || Instant::now() + delay > give_up {
                return Err(failure);
            }
            self.history
                .other_failures
                .push(format!("register: {failure}"));
            tokio::time::sleep(delay).await;
        }
    }

    /// Sends one message until it is answered, refused, or out of time.
    async fn send(
        &mut self,
        conversation: Option<Uuid>,
        count: usize,
        stream: bool,
        stop: &CancellationToken,
    ) -> Sent {
        let text = format!(
            "user {} message {count} {}",
            self.number,
            Uuid::new_v4().simple()
        );
        let key = Uuid::new_v4().to_string();
        let mut sent = Sent {
            text,
            conversation,
            began: Instant::now(),
            failures: Vec::new(),
            accepted: None,
            done: None,
            refused: None,
        };
        let give_up = sent.began + self.options.patience;
        let mut delays = delays();
        loop {
            let Attempt {
                accepted,
                done,
                failure,
            } = self
                .client
                .chat(&key, conversation, &sent.text, stream)
                .await;
            sent.accepted = sent.accepted.or(accepted);
            let Some(failure) = failure else {
                sent.done = done;
                return sent;
            };
            let seen = failure.to_string();
            tracing::info!(user = self.number, count, seen, "an attempt failed");
            sent.failures.push(AttemptFailure {
                after: self.began.elapsed(),
                seen,
            });
            if let Failure::Refused { status, .. } = failure {
                sent.refused = Some(status);
                return sent;
            }
            let delay = delays.next().unwrap_or(self.options.patience);
            // A run that shall end still waits for its last messages, but not for a dead system.
            let limit = if stop.is_cancelled() {
                give_up.min(sent.began + self.options.patience / 2)
            } else {
                give_up
            };
            if Instant::now() + delay > limit {
                return sent;
            }
            tokio::time::sleep(delay).await;
        }
    }

    async fn delete(&mut self, conversation: Uuid) {
        let give_up = Instant::now() + self.options.patience;
        let mut delays = delays();
        loop {
            let failure = match self.client.delete(conversation).await {
                Ok(()) => return self.history.deleted.push(conversation),
                Err(failure) => failure,
            };
            self.history
                .other_failures
                .push(format!("delete: {failure}"));
            let delay = delays.next().unwrap_or(self.options.patience);
            if matches!(failure, Failure::Refused { .. }) || Instant::now() + delay > give_up {
                return self.history.deletion_unknown.push(conversation);
            }
            tokio::time::sleep(delay).await;
        }
    }
}

pub(super) fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(1))
        .without_max_times()
        .with_jitter()
        .build()
}
