//! The port to the database. A store writes what it is given; ids and times are made by the domain.

mod mails;
mod mysql;
mod sqlite;

use uuid::Uuid;

use crate::error::Error;
use crate::mail::NewMail;
use crate::session::{Stored, Verdict};

pub use mails::{MailStore, NewLink, Queued, Use, WaitingMail};
pub use mysql::MysqlStore;
pub use sqlite::SqliteStore;

/// An account as it is stored; times are milliseconds since 1970.
#[derive(Clone, sqlx::FromRow)]
pub struct Account {
    /// Id.
    pub id: Uuid,
    /// E-mail address as it was registered.
    pub email: String,
    /// What e-mail addresses are compared by.
    pub email_key: String,
    /// PHC string.
    pub password_hash: String,
    /// Name shown to the user.
    pub display_name: Option<String>,
    /// When it was made.
    pub created_at: i64,
    /// When its e-mail address was shown to be its own.
    pub verified_at: Option<i64>,
}

/// A refresh token to be stored.
#[derive(Clone, Copy)]
pub struct NewToken {
    /// Its hash.
    pub hash: [u8; 32],
    /// When it expires, in milliseconds since 1970.
    pub expires_at: i64,
}

/// How a registration ended.
pub enum Registered {
    /// The account is made.
    Made,
    /// The same request made this account before.
    Before(Account),
}

/// Where accounts are kept.
pub trait AccountStore: Send + Sync + 'static {
    /// Stores an account, the request that makes it, and the mail about it, together.
    ///
    /// Fails with [`Error::EmailTaken`] when another request made an account of this address.
    fn register(
        &self,
        account: &Account,
        request: [u8; 32],
        mail: Option<&NewMail>,
    ) -> impl Future<Output = Result<Registered, Error>> + Send;

    /// Finds an account by the key of its e-mail address.
    fn by_email(
        &self,
        email_key: &str,
    ) -> impl Future<Output = Result<Option<Account>, Error>> + Send;

    /// Finds an account.
    fn by_id(&self, id: Uuid) -> impl Future<Output = Result<Option<Account>, Error>> + Send;

    /// Stores a new session with its first refresh token.
    ///
    /// Fails with [`Error::WrongPassword`] when the account has another password by now: a session that is opened
    /// while the password is reset would outlive the reset.
    fn open_session(
        &self,
        session: Uuid,
        account: &Account,
        token: NewToken,
        now: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Does what [`Stored::verdict`] says about the token `hash`, and stores `successor` where it is to
    /// be renewed. `None` when there is no such token.
    fn rotate(
        &self,
        hash: [u8; 32],
        successor: NewToken,
        now: i64,
    ) -> impl Future<Output = Result<Option<(Stored, Verdict)>, Error>> + Send;

    /// Ends the session of the token `hash`, where there is one; says which.
    fn end_session(
        &self,
        hash: [u8; 32],
        now: i64,
    ) -> impl Future<Output = Result<Option<Uuid>, Error>> + Send;

    /// Removes sessions, tokens and links that expired before `now`, and registrations and mails done with that were
    /// made before `before`.
    fn prune(&self, now: i64, before: i64) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Everything a workload needs of its store.
pub trait Store: AccountStore + MailStore {}

impl<S: AccountStore + MailStore> Store for S {}
