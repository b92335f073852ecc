//! Sealing and opening with a user's data key.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use chatbot_api::conversations::Role;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Error;

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// 32 secret bytes; erased from memory when dropped.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The key that encrypts what one user writes.
#[derive(Clone)]
pub struct DataKey(pub(super) Secret);

/// What sealed bytes belong to.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// The text of a message.
    Message {
        /// Its conversation.
        conversation: Uuid,
        /// Its id.
        message: Uuid,
        /// Whose it is.
        role: Role,
    },
    /// The title of a conversation.
    Title {
        /// Its id.
        conversation: Uuid,
    },
    /// Something of a webhook.
    Webhook {
        /// The webhook's id.
        webhook: Uuid,
        /// Which.
        part: WebhookPart,
    },
}

/// What is sealed of a webhook.
#[derive(Clone, Copy, Debug)]
pub enum WebhookPart {
    /// Its URL, which may hold a secret of the receiver.
    Url,
    /// What its user wrote about it.
    Description,
    /// A secret that signs.
    Secret,
}

impl Place {
    fn associated(self) -> Vec<u8> {
        match self {
            Self::Message {
                conversation,
                message,
                role,
            } => {
                let role = match role {
                    Role::User => [1],
                    Role::Assistant => [2],
                };
                [
                    b"chatbot/1/message/".as_slice(),
                    conversation.as_bytes(),
                    message.as_bytes(),
                    &role,
                ]
                .concat()
            }
            Self::Title { conversation } => {
                [b"chatbot/1/title/".as_slice(), conversation.as_bytes()].concat()
            }
            Self::Webhook { webhook, part } => {
                let part = match part {
                    WebhookPart::Url => [1],
                    WebhookPart::Description => [2],
                    WebhookPart::Secret => [3],
                };
                [b"chatbot/1/webhook/".as_slice(), webhook.as_bytes(), &part].concat()
            }
        }
    }
}

impl DataKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// Encrypts `text` for its place.
    #[must_use]
    pub fn seal(&self, place: Place, text: &str) -> Vec<u8> {
        seal(&self.0, &place.associated(), text.as_bytes())
    }

    /// Decrypts what was sealed for this place.
    ///
    /// # Errors
    /// Fails when the bytes were sealed elsewhere, with another key, or were changed.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<String, Error> {
        let text = open(&self.0, &place.associated(), sealed)?;
        String::from_utf8(text.to_vec()).map_err(|_| Error::NotAuthentic)
    }

    /// Fingerprint of a request, to tell whether a key came with the same one before.
    ///
    /// Keyed, because a plain hash of a short message could be found by trying.
    #[must_use]
    pub fn fingerprint(&self, request: &[u8]) -> [u8; 32] {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(b"chatbot/1/request-hash", key.as_mut_slice())
            .expect("32 bytes are within what HKDF-SHA-256 gives");
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(request);
        mac.finalize().into_bytes().into()
    }
}

/// Encrypts with a fresh random nonce.
pub(super) fn seal(key: &Secret, associated: &[u8], text: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE] = rand::random();
    let cipher = Aes256Gcm::new((&**key).into());
    let payload = Payload {
        msg: text,
        aad: associated,
    };
    let ciphertext = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .expect("a message is far below the limit of GCM");
    [[VERSION].as_slice(), &nonce, &ciphertext].concat()
}

/// Decrypts, and checks that nothing was changed.
pub(super) fn open(
    key: &Secret,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (version, rest) = sealed.split_first().ok_or(Error::TooShort)?;
    if *version != VERSION {
        return Err(Error::UnknownVersion(*version));
    }
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(Error::TooShort)?;
    if ciphertext.len() < TAG {
        return Err(Error::TooShort);
    }
    let cipher = Aes256Gcm::new((&**key).into());
    let payload = Payload {
        msg: ciphertext,
        aad: associated,
    };
    cipher
        .decrypt(&Nonce::from(*nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| Error::NotAuthentic)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::{DataKey, Error, Place};
    use chatbot_api::conversations::Role;
    use uuid::Uuid;

    fn place() -> Place {
        Place::Message {
            conversation: Uuid::now_v7(),
            message: Uuid::now_v7(),
            role: Role::User,
        }
    }

    #[test]
    fn what_was_sealed_can_be_opened_in_its_place() {
        let (key, place) = (DataKey::generate(), place());
        let sealed = key.seal(place, "Grüße 🦀");
        assert_eq!(key.open(place, &sealed).unwrap(), "Grüße 🦀");
        assert_ne!(
            sealed,
            key.seal(place, "Grüße 🦀"),
            "each sealing has a nonce of its own"
        );
    }

    #[test]
    fn a_message_cannot_be_moved_to_another_place() {
        let key = DataKey::generate();
        let (conversation, message) = (Uuid::now_v7(), Uuid::now_v7());
        let sealed = key.seal(
            Place::Message {
                conversation,
                message,
                role: Role::User,
            },
            "text",
        );
        for other in [
            Place::Message {
                conversation: Uuid::now_v7(),
                message,
                role: Role::User,
            },
            Place::Message {
                conversation,
                message: Uuid::now_v7(),
                role: Role::User,
            },
            Place::Message {
                conversation,
                message,
                role: Role::Assistant,
            },
            Place::Title { conversation },
        ] {
            assert!(matches!(key.open(other, &sealed), Err(Error::NotAuthentic)));
        }
        let another = DataKey::generate();
        assert!(
            another
                .open(
                    Place::Message {
                        conversation,
                        message,
                        role: Role::User
                    },
                    &sealed
                )
                .is_err()
        );
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let (key, place) = (DataKey::generate(), place());
        let sealed = key.seal(place, "text");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(key.open(place, &changed).is_err(), "byte {index}");
            assert!(key.open(place, &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn fingerprints_differ_by_request_and_by_user() {
        let (one, other) = (DataKey::generate(), DataKey::generate());
        assert_eq!(one.fingerprint(b"a"), one.fingerprint(b"a"));
        assert_ne!(one.fingerprint(b"a"), one.fingerprint(b"b"));
        assert_ne!(one.fingerprint(b"a"), other.fingerprint(b"a"));
    }
}
