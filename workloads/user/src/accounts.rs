//! What people do with accounts: make one, log in, stay logged in, log out; and what they prove by [mail](mailed).

mod mailed;

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::accounts::{LoginIn, RefreshIn, RegisterIn, TokensOut, UserOut};
use chatbot_contract::identity::ACCESS_TOKEN_AUDIENCE;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::revocations::Revocations;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use crate::Registration;
use crate::email::Email;
use crate::error::Error;
use crate::keys::{Claims, Keys};
use crate::mail::{NewMail, Subject};
use crate::password::{Password, Passwords};
use crate::session::Verdict;
use crate::store::{Account, NewToken, Registered, Store};
use crate::token::Token;

/// How long the idempotency key of a registration is remembered, in milliseconds.
const REMEMBERED: i64 = 24 * 3600 * 1000;

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

/// How long tokens live.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Access tokens.
    pub access: Duration,
    /// Refresh tokens.
    pub refresh: Duration,
}

/// Accounts and their sessions.
pub struct Accounts<S> {
    /// Where they are kept.
    pub store: S,
    /// How passwords are compared.
    pub passwords: Passwords,
    /// The keys of now.
    pub keys: watch::Receiver<Arc<Keys>>,
    /// The `iss` of access tokens.
    pub issuer: String,
    /// Who may make an account.
    pub registration: Registration,
    /// How long tokens live.
    pub lives: Lives,
    /// Where gateways learn of sessions that were ended.
    pub revocations: Revocations,
    /// Whether mails are sent.
    pub mails: bool,
}

impl<S: Store> Accounts<S> {
    /// Makes an account and logs in. The same request again, with the same key, gives the same account.
    ///
    /// The key counts for one e-mail address: a caller here is nobody yet, and two strangers may
    /// choose the same key.
    ///
    /// # Errors
    /// A field out of range, a closed registration, a taken address, a key that was used with
    /// another password.
    pub async fn register(
        &self,
        key: &IdempotencyKey,
        request: RegisterIn,
    ) -> Result<TokensOut, Error> {
        if self.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        let RegisterIn {
            email,
            password,
            display_name,
        } = request;
        let email = Email::parse(&email)?;
        let password = Password::parse(password)?;
        let display_name = display_name.map_or(Ok(None), |name| parse_name(&name))?;
        let account = Account {
            id: Uuid::now_v7(),
            email: email.as_str().to_owned(),
            email_key: email.key(),
            password_hash: self.passwords.hash(password.clone()).await?,
            display_name,
            created_at: now(),
            verified_at: None,
        };
        let request = fingerprint(key, &account.email_key);
        let mail = self.mails.then(|| {
            NewMail::new(
                Subject::Verification,
                &account.email_key,
                account.created_at,
            )
        });
        let account = match self
            .store
            .register(&account, request, mail.as_ref())
            .await?
        {
            Registered::Made => account,
            // The password is part of the request, and only its hash may be kept.
            Registered::Before(before) => {
                if !self
                    .passwords
                    .is(password, Some(before.password_hash.clone()))
                    .await?
                {
                    return Err(Error::KeyReused);
                }
                before
            }
        };
        self.open_session(&account).await
    }

    /// Logs in.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], also when there is no such account, after the same time.
    pub async fn login(&self, request: LoginIn) -> Result<TokensOut, Error> {
        let LoginIn { email, password } = request;
        // What cannot be an address or a password belongs to nobody; the caller learns no more.
        let (Ok(email), Ok(password)) = (Email::parse(&email), Password::parse(password)) else {
            return Err(Error::WrongPassword);
        };
        let account = self.store.by_email(&email.key()).await?;
        let stored = account
            .as_ref()
            .map(|account| account.password_hash.clone());
        let holds = self.passwords.is(password, stored).await?;
        match account {
            Some(account) if holds => self.open_session(&account).await,
            _ => Err(Error::WrongPassword),
        }
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] when it does not hold; when it was used up, its session ends.
    pub async fn refresh(&self, request: RefreshIn) -> Result<TokensOut, Error> {
        let token = Token::parse(&request.refresh_token).ok_or(Error::SessionEnded)?;
        let (successor, new) = self.new_token();
        let (stored, verdict) = self
            .store
            .rotate(token.hash(), new, now())
            .await?
            .ok_or(Error::SessionEnded)?;
        match verdict {
            Verdict::Renew => {}
            Verdict::Revoke => {
                tracing::warn!(session = %stored.session, "a used refresh token came again; its session has ended");
                self.revocations
                    .add(stored.session, self.lives.access)
                    .await;
                return Err(Error::SessionEnded);
            }
            Verdict::Refuse => return Err(Error::SessionEnded),
        }
        let account = self
            .store
            .by_id(stored.account)
            .await?
            .ok_or(Error::SessionEnded)?;
        self.tokens(&account, stored.session, &successor)
    }

    /// Ends the session of a refresh token; one that is unknown has none.
    ///
    /// # Errors
    /// The database.
    pub async fn logout(&self, request: RefreshIn) -> Result<(), Error> {
        if let Some(token) = Token::parse(&request.refresh_token)
            && let Some(session) = self.store.end_session(token.hash(), now()).await?
        {
            self.revocations.add(session, self.lives.access).await;
        }
        Ok(())
    }

    /// Gives an account.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub async fn account(&self, id: Uuid) -> Result<UserOut, Error> {
        out(&self.store.by_id(id).await?.ok_or(Error::NoAccount)?)
    }

    /// The public keys of access tokens.
    #[must_use]
    pub fn key_set(&self) -> JwkSet {
        self.keys.borrow().published().clone()
    }

    /// Removes what has expired.
    ///
    /// # Errors
    /// The database.
    pub async fn prune(&self) -> Result<(), Error> {
        let now = now();
        self.store.prune(now, now - REMEMBERED).await
    }

    async fn open_session(&self, account: &Account) -> Result<TokensOut, Error> {
        let session = Uuid::now_v7();
        let (token, new) = self.new_token();
        self.store
            .open_session(session, account, new, now())
            .await?;
        self.tokens(account, session, &token)
    }

    fn new_token(&self) -> (Token, NewToken) {
        let token = Token::random();
        let life = i64::try_from(self.lives.refresh.as_millis()).unwrap_or(i64::MAX / 2);
        let new = NewToken {
            hash: token.hash(),
            expires_at: now() + life,
        };
        (token, new)
    }

    fn tokens(
        &self,
        account: &Account,
        session: Uuid,
        refresh: &Token,
    ) -> Result<TokensOut, Error> {
        let iat = Timestamp::now().as_second();
        let expires_in = self.lives.access.as_secs();
        let claims = Claims {
            iss: &self.issuer,
            sub: account.id,
            aud: ACCESS_TOKEN_AUDIENCE,
            iat,
            exp: iat.saturating_add_unsigned(expires_in),
            jti: Uuid::now_v7(),
            sid: session,
        };
        Ok(TokensOut {
            access_token: self.keys.borrow().sign(&claims).map_err(Error::Sign)?,
            token_type: "Bearer".to_owned(),
            expires_in,
            refresh_token: refresh.text(),
            user: out(account)?,
        })
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn out(account: &Account) -> Result<UserOut, Error> {
    Ok(UserOut {
        id: account.id,
        email: account.email.clone(),
        email_verified: account.verified_at.is_some(),
        display_name: account.display_name.clone(),
        created_at: Timestamp::from_millisecond(account.created_at).map_err(Error::Time)?,
    })
}

/// A name without surrounding space; an empty one is none.
fn parse_name(name: &str) -> Result<Option<String>, Error> {
    let name = name.trim();
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let message = "a name has at most 100 characters, in one line";
        return Err(Error::Field {
            param: "display_name",
            message,
        });
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// What a request is known by: its key, and the subject that the key counts for.
fn fingerprint(key: &IdempotencyKey, subject: &str) -> [u8; 32] {
    // A key holds visible ASCII only, so the zero byte ends it.
    Sha256::new()
        .chain_update(key.as_str())
        .chain_update([0])
        .chain_update(subject)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::parse_name;

    #[test]
    fn a_name_is_one_line_and_an_empty_one_is_none() {
        assert_eq!(parse_name(" Ada ").unwrap().as_deref(), Some("Ada"));
        assert_eq!(parse_name("  ").unwrap(), None);
        assert!(parse_name("a\nb").is_err());
        assert!(parse_name(&"a".repeat(101)).is_err());
    }
}
