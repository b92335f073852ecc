//! The deployment's key ring: wraps the users' data keys.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatbot_contract::identity::KeyRing;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Error;
use super::seal::{self, DataKey, Secret};

/// The keys that wrap data keys.
pub struct Ring {
    current: String,
    keys: HashMap<String, Secret>,
}

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The ring's key that wrapped it.
    pub ring_key_id: String,
    /// Sealed bytes.
    pub wrapped: Vec<u8>,
}

impl Ring {
    /// Checks a ring.
    ///
    /// # Errors
    /// Fails when a key is not 32 bytes in base64, or the current one is not there.
    pub fn new(ring: KeyRing) -> Result<Self, Error> {
        let KeyRing { current, keys } = ring;
        let mut checked = HashMap::new();
        for key in keys {
            let secret = STANDARD.decode(&key.secret).map(Zeroizing::new).ok();
            let secret = secret.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
            let secret = secret.ok_or_else(|| {
                Error::InvalidRing(format!("key `{}` is not 32 bytes in base64", key.id))
            })?;
            checked.insert(key.id, Zeroizing::new(secret));
        }
        if !checked.contains_key(&current) {
            return Err(Error::InvalidRing(format!(
                "the current key `{current}` is not among its keys"
            )));
        }
        Ok(Self {
            current,
            keys: checked,
        })
    }

    /// Wraps a user's data key with the current key.
    ///
    /// # Errors
    /// None that a checked ring can meet.
    pub fn wrap(&self, user: Uuid, key: &DataKey) -> Result<WrappedKey, Error> {
        let secret = self.key(&self.current)?;
        let wrapped = seal::seal(secret, &associated(user, &self.current), key.0.as_slice());
        Ok(WrappedKey {
            ring_key_id: self.current.clone(),
            wrapped,
        })
    }

    /// Unwraps a user's data key.
    ///
    /// # Errors
    /// Fails when the ring lacks the key, or the bytes belong to another user or were changed.
    pub fn unwrap(&self, user: Uuid, key: &WrappedKey) -> Result<DataKey, Error> {
        let secret = self.key(&key.ring_key_id)?;
        let opened = seal::open(secret, &associated(user, &key.ring_key_id), &key.wrapped)?;
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| Error::NotAuthentic)?;
        Ok(DataKey(Zeroizing::new(bytes)))
    }

    fn key(&self, id: &str) -> Result<&Secret, Error> {
        self.keys
            .get(id)
            .ok_or_else(|| Error::NoSuchKey(id.to_owned()))
    }
}

fn associated(user: Uuid, ring_key_id: &str) -> Vec<u8> {
    [
        b"chatbot/1/data-key/".as_slice(),
        user.as_bytes(),
        ring_key_id.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::Ring;
    use crate::crypto::{DataKey, Error, Place};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use chatbot_contract::identity::{KeyRing, RingKey};
    use uuid::Uuid;

    fn key(id: &str, byte: u8) -> RingKey {
        RingKey {
            id: id.to_owned(),
            secret: STANDARD.encode([byte; 32]),
        }
    }

    fn ring(current: &str, keys: Vec<RingKey>) -> Result<Ring, Error> {
        Ring::new(KeyRing {
            current: current.to_owned(),
            keys,
        })
    }

    #[test]
    fn a_key_wrapped_before_a_rotation_is_unwrapped_after_it() {
        let (user, data) = (Uuid::now_v7(), DataKey::generate());
        let before = ring("a", vec![key("a", 1)]).unwrap();
        let wrapped = before.wrap(user, &data).unwrap();
        let after = ring("b", vec![key("b", 2), key("a", 1)]).unwrap();
        let unwrapped = after.unwrap(user, &wrapped).unwrap();
        let place = Place::Title {
            conversation: Uuid::nil(),
        };
        assert_eq!(
            unwrapped.open(place, &data.seal(place, "text")).unwrap(),
            "text"
        );
        assert_eq!(after.wrap(user, &data).unwrap().ring_key_id, "b");
    }

    #[test]
    fn a_wrapped_key_belongs_to_one_user_and_one_ring() {
        let (user, data) = (Uuid::now_v7(), DataKey::generate());
        let own = ring("a", vec![key("a", 1)]).unwrap();
        let wrapped = own.wrap(user, &data).unwrap();
        assert!(matches!(
            own.unwrap(Uuid::now_v7(), &wrapped),
            Err(Error::NotAuthentic)
        ));
        assert!(matches!(
            ring("a", vec![key("a", 2)]).unwrap().unwrap(user, &wrapped),
            Err(Error::NotAuthentic)
        ));
        assert!(matches!(
            ring("b", vec![key("b", 1)]).unwrap().unwrap(user, &wrapped),
            Err(Error::NoSuchKey(_))
        ));
    }

    #[test]
    fn a_ring_without_its_current_key_or_with_a_short_one_is_refused() {
        assert!(matches!(
            ring("b", vec![key("a", 1)]),
            Err(Error::InvalidRing(_))
        ));
        let short = RingKey {
            id: "a".to_owned(),
            secret: STANDARD.encode([1; 16]),
        };
        assert!(matches!(ring("a", vec![short]), Err(Error::InvalidRing(_))));
    }
}
