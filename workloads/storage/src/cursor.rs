//! Places in a list, given to callers as opaque text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The text is no cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this list gave")]
pub struct Invalid;

/// Place in the list of conversations, which is ordered by last change, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationCursor {
    /// When the last conversation of the page before was changed, in milliseconds.
    pub updated_at: i64,
    /// Its id.
    pub id: Uuid,
}

impl ConversationCursor {
    /// The text for the caller.
    #[must_use]
    pub fn encode(self) -> String {
        URL_SAFE_NO_PAD
            .encode([self.updated_at.to_be_bytes().as_slice(), self.id.as_bytes()].concat())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Fails on any other text.
    pub fn decode(text: &str) -> Result<Self, Invalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)?;
        let (updated_at, id) = bytes.split_first_chunk().ok_or(Invalid)?;
        let id = Uuid::from_slice(id).map_err(|_| Invalid)?;
        Ok(Self {
            updated_at: i64::from_be_bytes(*updated_at),
            id,
        })
    }
}

/// Place in the list of messages: the `seq` of the last one of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageCursor(pub u64);

impl MessageCursor {
    /// The text for the caller.
    #[must_use]
    pub fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_be_bytes())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Fails on any other text.
    pub fn decode(text: &str) -> Result<Self, Invalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)?;
        Ok(Self(u64::from_be_bytes(
            bytes.try_into().map_err(|_| Invalid)?,
        )))
    }
}

/// Place in the list of messages to a webhook, newest first: the id of the last one of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryCursor(pub Uuid);

impl DeliveryCursor {
    /// The text for the caller.
    #[must_use]
    pub fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_bytes())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Fails on any other text.
    pub fn decode(text: &str) -> Result<Self, Invalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)?;
        Uuid::from_slice(&bytes).map(Self).map_err(|_| Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::{ConversationCursor, DeliveryCursor, Invalid, MessageCursor};
    use uuid::Uuid;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let conversation = ConversationCursor {
            updated_at: 1_764_000_000_123,
            id: Uuid::now_v7(),
        };
        assert_eq!(
            ConversationCursor::decode(&conversation.encode()),
            Ok(conversation)
        );
        assert_eq!(
            MessageCursor::decode(&MessageCursor(7).encode()),
            Ok(MessageCursor(7))
        );
        let delivery = DeliveryCursor(Uuid::now_v7());
        assert_eq!(DeliveryCursor::decode(&delivery.encode()), Ok(delivery));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "x", "%%%", "AAAA", &MessageCursor(7).encode()] {
            assert_eq!(ConversationCursor::decode(text), Err(Invalid), "{text}");
        }
        assert_eq!(MessageCursor::decode("AAAA"), Err(Invalid));
        assert_eq!(DeliveryCursor::decode("AAAA"), Err(Invalid));
    }
}
