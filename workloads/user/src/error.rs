//! What can go wrong with an account.

use std::time::Duration;

use chatbot_api::error::ErrorCode;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::{mysql, sqlite};

/// When to come back after [`Error::ManyMails`].
const LATER: Duration = Duration::from_secs(600);

/// A request about an account that was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is out of range.
    #[error("{message}")]
    Field {
        /// Which.
        param: &'static str,
        /// What is expected.
        message: &'static str,
    },
    /// Nobody may register here.
    #[error("registration is closed here; ask an administrator for an account")]
    RegistrationClosed,
    /// The e-mail address has an account.
    #[error("an account with this e-mail address exists; log in, or use another address")]
    EmailTaken,
    /// The idempotency key made an account with another password.
    #[error("this idempotency key was used for another registration; use a new one")]
    KeyReused,
    /// E-mail address and password do not belong together.
    #[error("e-mail address or password is wrong")]
    WrongPassword,
    /// The refresh token is unknown, expired, revoked or used up.
    #[error("the session has ended; log in again")]
    SessionEnded,
    /// A token of a mail is unknown, expired or used up.
    #[error(
        "this link was used already, has expired, or was never sent from here; ask for another one"
    )]
    LinkSpent,
    /// This system sends no mails.
    #[error("this system sends no mails; ask its administrator")]
    NoMail,
    /// Too many mails were asked for.
    #[error(
        "several mails were sent to this address within the last hour; look there, also among what was taken for spam"
    )]
    ManyMails,
    /// The account does not exist (any more).
    #[error("this account does not exist")]
    NoAccount,
    /// Too many passwords are being checked.
    #[error("too many people log in at the moment; try again")]
    Busy,
    /// MySQL failed.
    #[error("the database failed")]
    Mysql(#[from] mysql::Error),
    /// SQLite failed.
    #[error("the database failed")]
    Sqlite(#[from] sqlite::Error),
    /// A password could not be hashed.
    #[error("failed to hash a password")]
    Hash(#[source] argon2::password_hash::Error),
    /// A token could not be signed.
    #[error("failed to sign an access token")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// A task panicked.
    #[error("a task panicked")]
    Task(#[from] tokio::task::JoinError),
    /// A stored time is none.
    #[error("a stored time is out of range")]
    Time(#[source] jiff::Error),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Field { param, message } => return Self::invalid(param, message),
            Error::Mysql(error) => return error.into(),
            Error::Sqlite(error) => return error.into(),
            Error::Hash(_) | Error::Sign(_) | Error::Task(_) | Error::Time(_) => {
                return Self::internal(&error);
            }
            Error::RegistrationClosed => ErrorCode::RegistrationClosed,
            Error::EmailTaken => ErrorCode::EmailTaken,
            Error::KeyReused => ErrorCode::IdempotencyKeyReused,
            Error::WrongPassword | Error::SessionEnded => ErrorCode::InvalidCredentials,
            Error::LinkSpent => ErrorCode::InvalidToken,
            Error::NoMail => ErrorCode::NotConfigured,
            Error::ManyMails => {
                return Self::new(ErrorCode::RateLimited, error.to_string()).retry_after(LATER);
            }
            Error::NoAccount => ErrorCode::NotFound,
            Error::Busy => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
