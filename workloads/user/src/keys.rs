//! The keys that sign access tokens (ES256), their publication (JWKS), and the tokens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::environment::SIGNING_KEYS_FILE;
use chatbot_contract::identity::SigningKeys;
use chatbot_runtime::config::{ConfigError, secret_json};
use chatbot_runtime::telemetry;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

/// Time between two looks at the file: a mounted Secret changes within about a minute anyway.
const LOOK: Duration = Duration::from_secs(10);

/// Claims of an access token (RFC 9068 section 2.2, and `sid` of OpenID Connect).
#[derive(Serialize)]
pub struct Claims<'a> {
    /// URL of this system.
    pub iss: &'a str,
    /// User.
    pub sub: Uuid,
    /// [`chatbot_contract::identity::ACCESS_TOKEN_AUDIENCE`].
    pub aud: &'static str,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// Id of the token.
    pub jti: Uuid,
    /// Session.
    pub sid: Uuid,
}

/// Every key, ready for use.
pub struct Keys {
    keys: Vec<Key>,
    published: JwkSet,
}

struct Key {
    id: String,
    signs_from: i64,
    key: EncodingKey,
}

impl Keys {
    /// Takes the keys of the identity Secret.
    ///
    /// # Errors
    /// Fails when there is none, or one is no P-256 key.
    pub fn new(document: SigningKeys) -> Result<Self, ConfigError> {
        let mut keys = Vec::new();
        let mut published = JwkSet { keys: Vec::new() };
        for key in document.keys {
            let parsed = EncodingKey::from_ec_pem(key.private_key.as_bytes()).and_then(|private| {
                let public = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
                Ok((private, public))
            });
            let (private, mut public) = parsed.map_err(|_| {
                let problem = format!(
                    "the key {} is not an ECDSA P-256 key in PKCS #8 PEM",
                    key.id
                );
                ConfigError::invalid(SIGNING_KEYS_FILE, problem)
            })?;
            public.common.key_id = Some(key.id.clone());
            public.common.public_key_use = Some(PublicKeyUse::Signature);
            published.keys.push(public);
            keys.push(Key {
                id: key.id,
                signs_from: key.signs_from,
                key: private,
            });
        }
        if keys.is_empty() {
            return Err(ConfigError::invalid(SIGNING_KEYS_FILE, "it holds no key"));
        }
        Ok(Self { keys, published })
    }

    /// The public keys (RFC 7517), also of those that do not sign yet.
    #[must_use]
    pub fn published(&self) -> &JwkSet {
        &self.published
    }

    /// Makes an access token.
    ///
    /// # Errors
    /// Fails when the key cannot sign.
    pub fn sign(&self, claims: &Claims<'_>) -> Result<String, jsonwebtoken::errors::Error> {
        let key = self.signing(claims.iat);
        let header = Header {
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &key.key)
    }

    /// The newest key whose time has come. Where none has — the clock that wrote the first one is
    /// ahead of ours — the first: nobody can have cached a key set without it.
    fn signing(&self, now: i64) -> &Key {
        let started = self
            .keys
            .iter()
            .filter(|key| key.signs_from <= now)
            .max_by_key(|key| key.signs_from);
        started
            .or_else(|| self.keys.iter().min_by_key(|key| key.signs_from))
            .expect("there is at least one key")
    }
}

/// The file with the keys, which an operator adds keys to while we run.
pub struct KeyFile {
    path: PathBuf,
    current: watch::Sender<Arc<Keys>>,
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails when it cannot be read or is not the expected document.
    pub fn open(path: PathBuf) -> Result<Self, ConfigError> {
        let keys = read(&path)?;
        Ok(Self {
            path,
            current: watch::Sender::new(Arc::new(keys)),
        })
    }

    /// The keys, always the newest that could be read.
    #[must_use]
    pub fn current(&self) -> watch::Receiver<Arc<Keys>> {
        self.current.subscribe()
    }

    /// Reads the file again for ever; what cannot be read is logged, and the old keys stay.
    pub async fn follow(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look();
        }
    }

    /// Reads the file again.
    fn look(&self) {
        match read(&self.path) {
            Ok(keys) => {
                let changed = self.current.borrow().published != keys.published
                    || !self
                        .current
                        .borrow()
                        .keys
                        .iter()
                        .map(|key| key.signs_from)
                        .eq(keys.keys.iter().map(|key| key.signs_from));
                if changed {
                    tracing::info!(keys = keys.keys.len(), "the signing keys have changed");
                    self.current.send_replace(Arc::new(keys));
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = telemetry::chain(&error),
                    "the signing keys stay as they were"
                );
            }
        }
    }
}

fn read(path: &std::path::Path) -> Result<Keys, ConfigError> {
    Keys::new(secret_json(SIGNING_KEYS_FILE, path)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use chatbot_contract::identity::{ACCESS_TOKEN_AUDIENCE, SigningKey, SigningKeys};
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use uuid::Uuid;

    use super::{Claims, KeyFile, Keys};

    fn key(id: &str, signs_from: i64) -> SigningKey {
        SigningKey {
            id: id.to_owned(),
            ..SigningKey::generate(signs_from)
        }
    }

    fn token(keys: &Keys, now: i64) -> String {
        let claims = Claims {
            iss: "https://chat.example",
            sub: Uuid::nil(),
            aud: ACCESS_TOKEN_AUDIENCE,
            iat: now,
            exp: i64::MAX / 2,
            jti: Uuid::nil(),
            sid: Uuid::nil(),
        };
        keys.sign(&claims).unwrap()
    }

    fn signer(keys: &Keys, now: i64) -> Option<String> {
        jsonwebtoken::decode_header(token(keys, now)).unwrap().kid
    }

    #[test]
    fn the_newest_key_whose_time_has_come_signs() {
        let keys = Keys::new(SigningKeys {
            keys: vec![key("a", 100), key("b", 200)],
        })
        .unwrap();
        assert_eq!(signer(&keys, 150).as_deref(), Some("a"));
        assert_eq!(signer(&keys, 200).as_deref(), Some("b"));
        assert_eq!(signer(&keys, 50).as_deref(), Some("a"));
    }

    #[test]
    fn every_key_is_published_and_holds_what_it_signed() {
        let keys = Keys::new(SigningKeys {
            keys: vec![key("a", 0), key("b", i64::MAX)],
        })
        .unwrap();
        let published = serde_json::to_value(keys.published()).unwrap();
        assert_eq!(published["keys"].as_array().unwrap().len(), 2);
        assert_eq!(published["keys"][0]["alg"], "ES256");
        assert!(published["keys"][0].get("d").is_none());
        let public = DecodingKey::from_jwk(keys.published().find("a").unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[ACCESS_TOKEN_AUDIENCE]);
        jsonwebtoken::decode::<serde_json::Value>(token(&keys, 1), &public, &validation).unwrap();
    }

    #[test]
    fn a_changed_file_is_taken_and_a_broken_one_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |keys: Vec<SigningKey>| {
            std::fs::write(
                file.path(),
                serde_json::to_vec(&SigningKeys { keys }).unwrap(),
            )
            .unwrap();
        };
        let first = key("a", 0);
        write(vec![first.clone()]);
        let keys = KeyFile::open(file.path().to_owned()).unwrap();
        let current = keys.current();
        write(vec![first, key("b", 0)]);
        keys.look();
        assert_eq!(current.borrow().published().keys.len(), 2);
        std::fs::write(file.path(), "{").unwrap();
        keys.look();
        assert_eq!(current.borrow().published().keys.len(), 2);
    }

    #[test]
    fn a_document_without_a_usable_key_is_refused() {
        assert!(Keys::new(SigningKeys { keys: Vec::new() }).is_err());
        let broken = SigningKey {
            id: "x".to_owned(),
            private_key: "x".to_owned(),
            signs_from: 0,
        };
        assert!(Keys::new(SigningKeys { keys: vec![broken] }).is_err());
    }
}
