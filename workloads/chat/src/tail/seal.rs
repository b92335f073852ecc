//! Encrypts events: AES-256-GCM, with a key for this alone, and bound to their user, turn and id.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use chatbot_api::turns::{EventId, TurnEvent};
use hkdf::Hkdf;
use sha2::Sha256;
use uuid::Uuid;

const NONCE: usize = 12;

/// Encrypts and decrypts.
pub(super) struct Sealer(Aes256Gcm);

impl Sealer {
    /// Derives the key (HKDF-SHA-256, RFC 5869).
    pub(super) fn new(internal_key: &[u8; 32]) -> Self {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, internal_key)
            .expand(b"chatbot/1/turn-stream", &mut key)
            .expect("32 bytes are within what HKDF-SHA-256 gives");
        Self(Aes256Gcm::new(&key.into()))
    }

    pub(super) fn seal(&self, user: Uuid, turn: Uuid, id: EventId, event: &TurnEvent) -> Vec<u8> {
        let text = serde_json::to_vec(event).expect("an event can be written as JSON");
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: &text,
            aad: &associated(user, turn, id),
        };
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .expect("an event is far below the limit of GCM");
        [nonce.as_slice(), &sealed].concat()
    }

    /// `None` when it was sealed for another user or place, or with another key.
    pub(super) fn open(
        &self,
        user: Uuid,
        turn: Uuid,
        id: EventId,
        sealed: &[u8],
    ) -> Option<TurnEvent> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: &associated(user, turn, id),
        };
        let text = self.0.decrypt(&Nonce::from(*nonce), payload).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn associated(user: Uuid, turn: Uuid, id: EventId) -> Vec<u8> {
    let EventId { attempt, place } = id;
    [
        user.as_bytes().as_slice(),
        turn.as_bytes(),
        &attempt.to_be_bytes(),
        &place.to_be_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use chatbot_api::turns::{EventId, TurnEvent};
    use uuid::Uuid;

    use super::Sealer;

    #[test]
    fn an_event_is_read_where_it_was_written_and_nowhere_else() {
        let sealer = Sealer::new(&[1; 32]);
        let event = TurnEvent::Delta {
            content: "secret".to_owned(),
        };
        let (user, turn) = (Uuid::now_v7(), Uuid::now_v7());
        let id = |attempt, place| EventId { attempt, place };
        let sealed = sealer.seal(user, turn, id(1, 2), &event);
        assert_eq!(sealer.open(user, turn, id(1, 2), &sealed), Some(event));
        assert_eq!(sealer.open(user, turn, id(1, 3), &sealed), None);
        assert_eq!(sealer.open(turn, user, id(1, 2), &sealed), None);
        let other = Sealer::new(&[2; 32]);
        assert_eq!(other.open(user, turn, id(1, 2), &sealed), None);
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
    }
}
