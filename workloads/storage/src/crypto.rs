//! Encryption of what users write: AES-256-GCM with a data key for each user.
//!
//! **Sealed bytes** (of a message, a title, a data key) are, version 1:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | 12 | nonce, random |
//! | rest | ciphertext and its tag of 16 bytes |
//!
//! Associated data binds them to their place, so that a row cannot be exchanged for another one:
//!
//! | what | key | associated data |
//! |---|---|---|
//! | data key | the ring's key | `chatbot/1/data-key/`, user id (16), ring key id |
//! | message | the user's data key | `chatbot/1/message/`, conversation id (16), message id (16), role (1) |
//! | title | the user's data key | `chatbot/1/title/`, conversation id (16) |
//! | of a webhook | the user's data key | `chatbot/1/webhook/`, webhook id (16), which (1) |
//!
//! A data key is 32 random bytes; it is wrapped by the current key of the deployment's ring when it
//! is made, and unwrapped by whichever key of the ring wrapped it. Destroying a user's row in
//! `user_keys` makes everything of that user unreadable, backups of other tables included.
//!
//! Random nonces are safe for 2³² messages under one key (NIST SP 800-38D, section 8.3): no user
//! writes that many.

mod ring;
mod seal;

pub use ring::{Ring, WrappedKey};
pub use seal::{DataKey, Place, WebhookPart};

/// Why something cannot be encrypted or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not what was sealed here, under this key, in this place.
    #[error("the sealed bytes do not belong here, or were changed")]
    NotAuthentic,
    /// A newer release wrote it.
    #[error("the sealed bytes have the unknown version {0}")]
    UnknownVersion(u8),
    /// The bytes end too early.
    #[error("the sealed bytes are cut short")]
    TooShort,
    /// The document is no key ring.
    #[error("the key ring is not valid: {0}")]
    InvalidRing(String),
    /// The key that wrapped a data key is not in the ring.
    #[error("the key ring has no key `{0}`, which wrapped a user's data key")]
    NoSuchKey(String),
}
