//! What a person proves by a link that was sent to the address: that it is theirs, or that they may set a password.

use chatbot_api::accounts::{NewPasswordIn, ResetIn, VerifyIn};
use chatbot_runtime::extract::IdempotencyKey;
use uuid::Uuid;

use super::{Accounts, fingerprint, now};
use crate::email::Email;
use crate::error::Error;
use crate::mail::{NewMail, Subject};
use crate::password::Password;
use crate::store::{Queued, Store, Use};
use crate::token::Token;

/// Mails about one subject that one address gets within [`MEANWHILE`]: nobody's inbox is filled from here.
const MOST: u32 = 5;

/// In milliseconds.
const MEANWHILE: i64 = 3600 * 1000;

impl<S: Store> Accounts<S> {
    /// Has the link sent that verifies the address of an account; false when it is verified already.
    ///
    /// # Errors
    /// [`Error::NoMail`], [`Error::NoAccount`], [`Error::ManyMails`].
    pub async fn send_verification(&self, account: Uuid) -> Result<bool, Error> {
        self.need_mail()?;
        let account = self.store.by_id(account).await?.ok_or(Error::NoAccount)?;
        if account.verified_at.is_some() {
            return Ok(false);
        }
        match self
            .queue(Subject::Verification, &account.email_key)
            .await?
        {
            Queued::Yes => Ok(true),
            Queued::Enough => Err(Error::ManyMails),
        }
    }

    /// Verifies the address of the account whose link it is.
    ///
    /// # Errors
    /// [`Error::LinkSpent`].
    pub async fn verify(&self, key: &IdempotencyKey, request: &VerifyIn) -> Result<(), Error> {
        let link = link(key, &request.token)?;
        self.store.verify(link).await
    }

    /// Has a link sent that sets a new password, if the address has an account.
    ///
    /// Whether it has one is looked up when the mail is sent: what is done here, and how long it takes, is the same
    /// for every address, and so is the answer.
    ///
    /// # Errors
    /// [`Error::NoMail`], or no address.
    pub async fn send_reset(&self, request: &ResetIn) -> Result<(), Error> {
        self.need_mail()?;
        let email = Email::parse(&request.email)?;
        self.queue(Subject::Reset, &email.key()).await?;
        Ok(())
    }

    /// Sets the password of the account whose link it is, and ends all its sessions.
    ///
    /// # Errors
    /// [`Error::LinkSpent`], or a password of another length.
    pub async fn set_password(
        &self,
        key: &IdempotencyKey,
        request: NewPasswordIn,
    ) -> Result<(), Error> {
        let NewPasswordIn { token, password } = request;
        let password = Password::parse(password)?;
        let link = link(key, &token)?;
        let hash = self.passwords.hash(password).await?;
        for session in self.store.reset(link, &hash).await? {
            self.revocations.add(session, self.lives.access).await;
        }
        Ok(())
    }

    async fn queue(&self, subject: Subject, email_key: &str) -> Result<Queued, Error> {
        let now = now();
        let mail = NewMail::new(subject, email_key, now);
        self.store.queue(&mail, MOST, now - MEANWHILE).await
    }

    fn need_mail(&self) -> Result<(), Error> {
        if self.mails {
            Ok(())
        } else {
            Err(Error::NoMail)
        }
    }
}

fn link(key: &IdempotencyKey, token: &str) -> Result<Use, Error> {
    Ok(Use {
        hash: Token::parse(token).ok_or(Error::LinkSpent)?.hash(),
        request: fingerprint(key, token),
        now: now(),
    })
}
