//! Mails to people: queued in the transaction of their cause, written and sent later by [`delivery`].
//!
//! A queued mail is a subject and an address. Its text, and the token in its link, are made when it is sent: no
//! secret waits in the database, and a link lives from when it was sent, however long the server was away.

pub mod config;
pub mod delivery;
mod letter;
mod smtp;

use std::time::Duration;

use uuid::Uuid;

pub use config::{Config, Settings, Tls};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whether the address is that of the one who registered.
    Verification,
    /// A new password.
    Reset,
}

impl Subject {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Reset => "password-reset",
        }
    }

    /// Reads [`Subject::name`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Verification, Self::Reset]
            .into_iter()
            .find(|subject| subject.name() == name)
    }

    /// How long its link lives, and how long is tried to send it.
    #[must_use]
    pub const fn life(self) -> Duration {
        match self {
            Self::Verification => Duration::from_secs(24 * 3600),
            Self::Reset => Duration::from_secs(3600),
        }
    }
}

/// A mail to be queued.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Id.
    pub id: Uuid,
    /// What it is about.
    pub subject: Subject,
    /// The key of the address it is for.
    pub email_key: String,
    /// When it is asked for, in milliseconds since 1970.
    pub created_at: i64,
}

impl NewMail {
    /// Makes one.
    #[must_use]
    pub fn new(subject: Subject, email_key: &str, now: i64) -> Self {
        Self {
            id: Uuid::now_v7(),
            subject,
            email_key: email_key.to_owned(),
            created_at: now,
        }
    }
}
