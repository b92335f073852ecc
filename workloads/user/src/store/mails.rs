//! What the store knows of mails: those that wait, and the links in them.

use uuid::Uuid;

use crate::error::Error;
use crate::mail::{NewMail, Subject};

/// A mail to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMail {
    /// Id.
    pub id: Uuid,
    /// What it is about.
    pub subject: Subject,
    /// The key of the address it is for; there may be no such account.
    pub email_key: String,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: i64,
    /// Attempts to send it, with this one.
    pub attempts: u32,
}

/// A link to be stored.
#[derive(Clone, Copy)]
pub struct NewLink {
    /// Hash of its token.
    pub hash: [u8; 32],
    /// Whose it is.
    pub account: Uuid,
    /// What it is for.
    pub subject: Subject,
    /// When it expires, in milliseconds since 1970.
    pub expires_at: i64,
}

/// The use of a link.
#[derive(Clone, Copy)]
pub struct Use {
    /// Hash of its token.
    pub hash: [u8; 32],
    /// What the request is known by: the same one again is answered the same.
    pub request: [u8; 32],
    /// In milliseconds since 1970.
    pub now: i64,
}

/// What became of a mail that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It will be sent.
    Yes,
    /// Enough mails about this subject were asked for this address.
    Enough,
}

/// Where mails wait.
pub trait MailStore: Send + Sync + 'static {
    /// Stores a mail, unless `most` about its subject were asked for its address since `since`.
    fn queue(
        &self,
        mail: &NewMail,
        most: u32,
        since: i64,
    ) -> impl Future<Output = Result<Queued, Error>> + Send;

    /// Takes up to `most` mails that are due at `now`; nobody else gets them before `until`.
    fn claim(
        &self,
        now: i64,
        until: i64,
        most: u32,
    ) -> impl Future<Output = Result<Vec<WaitingMail>, Error>> + Send;

    /// Says when a mail is due again, or with `None` that it is done with.
    fn settle(
        &self,
        mail: Uuid,
        due_at: Option<i64>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Stores a link that is about to be sent.
    fn add_link(&self, link: NewLink) -> impl Future<Output = Result<(), Error>> + Send;

    /// Uses a link of [`Subject::Verification`]: the address of its account is verified.
    ///
    /// Fails with [`Error::LinkSpent`] when it does not hold.
    fn verify(&self, link: Use) -> impl Future<Output = Result<(), Error>> + Send;

    /// Uses a link of [`Subject::Reset`]: sets the password of its account, which verifies its address, ends all its
    /// sessions and the other links of the kind. Says which sessions it ended.
    ///
    /// Fails with [`Error::LinkSpent`] when it does not hold.
    fn reset(
        &self,
        link: Use,
        password_hash: &str,
    ) -> impl Future<Output = Result<Vec<Uuid>, Error>> + Send;
}
