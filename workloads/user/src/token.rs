//! Secrets that are handed to a person and come back once: refresh tokens, and those in mails.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// 256 random bits. Never logged: it has no `Debug`.
pub struct Token([u8; 32]);

impl Token {
    /// Makes a new one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Takes what a caller sent; `None` when it was never one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// As it is sent: 43 characters that a URL can hold as they are.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored. A token is random and long, so a fast hash is enough.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = Token::random();
        let read = Token::parse(&token.text()).map(|token| token.hash());
        assert_eq!(read, Some(token.hash()));
        assert!(Token::parse("abc").is_none());
    }
}
