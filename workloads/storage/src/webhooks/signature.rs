//! Signatures of the Standard Webhooks specification, version `v1`: HMAC-SHA-256 over `id.timestamp.body`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a secret begins with, as the specification has it.
const PREFIX: &str = "whsec_";

/// The text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is not `{PREFIX}` and a key in base64")]
pub struct NoSecret;

/// A secret that a webhook's receiver knows, too.
pub struct Secret {
    text: Zeroizing<String>,
    key: Zeroizing<Vec<u8>>,
}

impl Secret {
    /// Makes one of 32 random bytes; the specification wants 24 to 64.
    #[must_use]
    pub fn random() -> Self {
        let key: [u8; 32] = rand::random();
        Self {
            text: format!("{PREFIX}{}", STANDARD.encode(key)).into(),
            key: key.to_vec().into(),
        }
    }

    /// Reads what [`Self::text`] gave.
    ///
    /// # Errors
    /// Fails on any other text.
    pub fn parse(text: &str) -> Result<Self, NoSecret> {
        let key = text.strip_prefix(PREFIX).ok_or(NoSecret)?;
        Ok(Self {
            text: text.to_owned().into(),
            key: STANDARD.decode(key).map_err(|_| NoSecret)?.into(),
        })
    }

    /// As the receiver gets it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header `webhook-signature`: a signature of each secret, of which the receiver needs one.
#[must_use]
pub fn header(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut header = String::new();
    for secret in secrets {
        let space = if header.is_empty() { "" } else { " " };
        write!(header, "{space}{}", secret.sign(id, timestamp, body))
            .expect("a text takes everything");
    }
    header
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::{NoSecret, Secret, header};

    /// The example of the libraries of the specification.
    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = header(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_read_as_it_was_written_and_nothing_else_is() {
        let secret = Secret::random();
        let again = Secret::parse(secret.text()).unwrap();
        let sign = |secret: Secret| header(&[secret], "a", 1, b"b");
        assert_eq!(sign(again), sign(secret));
        for text in ["", "whsec", "whsec_%", "c2VjcmV0"] {
            assert_eq!(Secret::parse(text).err(), Some(NoSecret), "{text}");
        }
    }
}
