//! Passwords: which are taken, and how they are kept and compared (Argon2id).

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use tokio::sync::Semaphore;

use crate::error::Error;

/// Memory of one hash in KiB, passes and lanes: OWASP Password Storage Cheat Sheet, Argon2id.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// Hashes at the same time: they bound the memory (4 x 19 MiB) and leave the processor to others.
const AT_ONCE: usize = 4;

/// How long a request waits for its turn.
const QUEUE: Duration = Duration::from_secs(10);

/// A password of allowed length. Never logged: it has no `Debug`.
#[derive(Clone)]
pub struct Password(Arc<str>);

impl Password {
    /// Takes a new password.
    ///
    /// # Errors
    /// Fails when it has not 10 to 1024 characters.
    pub fn parse(text: String) -> Result<Self, Error> {
        if (10..=1024).contains(&text.chars().count()) {
            return Ok(Self(text.into()));
        }
        Err(Error::Field {
            param: "password",
            message: "a password has 10 to 1024 characters",
        })
    }
}

/// Hashes and compares passwords, a few at a time.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// Makes it.
    #[must_use]
    pub fn new() -> Self {
        let (memory, passes, lanes) = COST;
        let params =
            Params::new(memory, passes, lanes, None).expect("the parameters are in Argon2's range");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Self {
            argon2,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Gives what is stored for `password`: a PHC string with a random salt.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many others wait.
    pub async fn hash(&self, password: Password) -> Result<String, Error> {
        let argon2 = self.argon2.clone();
        self.take_turn(move || {
            let hash: PasswordHash = argon2
                .hash_password(password.0.as_bytes())
                .map_err(Error::Hash)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one `stored` was made of. Without an account (`None`) it takes as
    /// long, so that the time does not tell who has one.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many others wait.
    pub async fn is(&self, password: Password, stored: Option<String>) -> Result<bool, Error> {
        let argon2 = self.argon2.clone();
        self.take_turn(move || {
            let Some(stored) = stored else {
                let unused: Result<PasswordHash, _> = argon2.hash_password(password.0.as_bytes());
                return unused.map(|_| false).map_err(Error::Hash);
            };
            let hash = PasswordHash::new(&stored).map_err(|error| Error::Hash(error.into()))?;
            match argon2.verify_password(password.0.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(Error::Hash(error)),
            }
        })
        .await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(QUEUE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn
            .await
            .map_err(|_| Error::Busy)?
            .expect("the semaphore is never closed");
        // The turn goes with the work: a caller that goes away does not end the work.
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::{Password, Passwords};

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn only_the_same_password_holds() {
        let passwords = Passwords::new();
        let stored = passwords.hash(password("correct horse")).await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert!(
            passwords
                .is(password("correct horse"), Some(stored.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .is(password("correct house"), Some(stored))
                .await
                .unwrap()
        );
        assert!(!passwords.is(password("correct horse"), None).await.unwrap());
    }

    #[test]
    fn a_password_has_10_to_1024_characters() {
        for (length, taken) in [(9, false), (10, true), (1024, true), (1025, false)] {
            assert_eq!(
                Password::parse("ä".repeat(length)).is_ok(),
                taken,
                "{length}"
            );
        }
    }
}
