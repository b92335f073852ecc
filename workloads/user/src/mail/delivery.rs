//! Sends the mails that wait, each at least once: a process that dies between the server's answer and its own note of it
//! leaves a mail that is sent again.
//!
//! Processes share the mails by claims of a few minutes: the clocks of two nodes may differ by less than that.

use std::time::Duration;

use chatbot_runtime::context::{Context, Shutdown};
use chatbot_runtime::health::Health;
use chatbot_runtime::telemetry;
use jiff::Timestamp;
use lettre::transport::smtp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::letter::letter;
use super::smtp::Smtp;
use super::{Settings, Subject};
use crate::error::Error;
use crate::store::{NewLink, Store, WaitingMail};
use crate::token::Token;

/// Mails claimed at once. A server that hangs takes less than half a minute for each.
const BATCH: u32 = 5;

/// How long a claim holds, in milliseconds.
const CLAIM: i64 = 5 * 60 * 1000;

/// Time between two looks when no mail waited, and after a failure of the database.
const LOOK: Duration = Duration::from_secs(1);

/// Time between two questions whether the server is there.
const PROBE: Duration = Duration::from_secs(30);

/// Time before the second attempt, and the longest before another, in milliseconds.
const SOONEST: i64 = 5_000;
const LATEST: i64 = 10 * 60 * 1000;

/// Sends mails.
pub struct Delivery<S> {
    store: S,
    smtp: Smtp,
    public_url: String,
    health: Health,
    shutdown: Shutdown,
    mails: Family<Outcome, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Sent,
    /// Nobody has an account with the address.
    Nobody,
    /// The server will never take it.
    Refused,
    /// It will be tried again.
    Postponed,
    /// It was tried for as long as its link would have lived.
    GivenUp,
}

impl Attempt {
    const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Nobody => "nobody",
            Self::Refused => "refused",
            Self::Postponed => "postponed",
            Self::GivenUp => "given_up",
        }
    }
}

impl<S: Store> Delivery<S> {
    /// Makes it, and registers its metrics.
    ///
    /// # Errors
    /// Fails when the system's certificates cannot be used.
    pub fn new(
        store: S,
        settings: Settings,
        public_url: &str,
        context: &Context,
    ) -> Result<Self, smtp::Error> {
        let mails: Family<Outcome, Counter> = Family::default();
        context.metrics.register(|registry| {
            let help = "Attempts to send a mail, by what became of it";
            registry.register("mails", help, mails.clone());
        });
        Ok(Self {
            store,
            smtp: Smtp::new(settings)?,
            public_url: public_url.to_owned(),
            health: context.health.clone(),
            shutdown: context.shutdown.clone(),
            mails,
        })
    }

    /// Looks whether the server is there, for ever.
    pub async fn watch(&self) {
        loop {
            self.health.report(self.smtp.probe().await);
            tokio::time::sleep(PROBE).await;
        }
    }

    /// Sends what waits until the process is to end, and waits then. The process ends when the mail in hand is done with:
    /// nobody else would touch it before its claim has run out.
    pub async fn run(&self) {
        let in_hand = self.shutdown.session();
        while !self.shutdown.is_draining() {
            match self.once().await {
                Ok(0) => self.rest().await,
                Ok(_) => {}
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "mails cannot be read from the database, or written");
                    self.rest().await;
                }
            }
        }
        drop(in_hand);
        std::future::pending().await
    }

    async fn rest(&self) {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = self.shutdown.stopping() => {}
        }
    }

    /// Sends the first mails that are due; says how many were.
    async fn once(&self) -> Result<usize, Error> {
        let at = now();
        let claimed = self.store.claim(at, at + CLAIM, BATCH).await?;
        let due = claimed.len();
        for mail in claimed {
            if self.shutdown.is_draining() {
                // Another process sends it at once.
                self.store.settle(mail.id, Some(now())).await?;
                continue;
            }
            let attempt = self.attempt(&mail).await?;
            let labels = Outcome {
                outcome: attempt.name(),
            };
            self.mails.get_or_create(&labels).inc();
            let again = (attempt == Attempt::Postponed).then(|| now() + pause(mail.attempts));
            self.store.settle(mail.id, again).await?;
        }
        Ok(due)
    }

    async fn attempt(&self, mail: &WaitingMail) -> Result<Attempt, Error> {
        let Some(account) = self.store.by_email(&mail.email_key).await? else {
            return Ok(Attempt::Nobody);
        };
        let token = Token::random();
        let link = NewLink {
            hash: token.hash(),
            account: account.id,
            subject: mail.subject,
            expires_at: now() + life(mail.subject),
        };
        self.store.add_link(link).await?;
        let letter = letter(mail.subject, &self.public_url, &token);
        let Err(error) = self.smtp.send(mail.id, &account.email, letter).await else {
            return Ok(Attempt::Sent);
        };
        let (id, subject, attempts) = (mail.id, mail.subject.name(), mail.attempts);
        let chain = telemetry::chain(&error);
        if error.is_final() {
            tracing::error!(mail = %id, subject, error = chain, "a mail is refused for good and was given up");
            return Ok(Attempt::Refused);
        }
        if now() - mail.created_at > life(mail.subject) {
            tracing::error!(mail = %id, subject, attempts, error = chain, "a mail could not be sent in time and was given up");
            return Ok(Attempt::GivenUp);
        }
        tracing::warn!(mail = %id, subject, attempts, error = chain, "a mail was not sent and is tried again");
        Ok(Attempt::Postponed)
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn life(subject: Subject) -> i64 {
    i64::try_from(subject.life().as_millis()).expect("a link lives for less than an age")
}

/// Milliseconds after so many attempts: doubled each time.
fn pause(attempts: u32) -> i64 {
    let doubled = SOONEST.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    doubled.min(LATEST)
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let pauses: Vec<i64> = [1, 2, 3, 7, 8, 500].map(pause).into();
        assert_eq!(pauses, [5_000, 10_000, 20_000, 320_000, 600_000, 600_000]);
    }
}
