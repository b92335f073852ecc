//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), as the commands `saslStart` and `saslContinue` carry it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use sha2::{Digest as _, Sha256};

use super::data::User;

/// Rounds of MongoDB's own accounts (`scramSHA256IterationCount`).
const ROUNDS: u32 = 15_000;

/// What a server keeps of a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Credential {
    salt: String,
    stored: String,
    server: String,
}

impl Credential {
    pub(super) fn new(password: &str) -> Self {
        let salt: [u8; 28] = rand::random();
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, ROUNDS, &mut salted);
        let stored = Sha256::digest(mac(&salted, b"Client Key"));
        Self {
            salt: STANDARD.encode(salt),
            stored: STANDARD.encode(stored),
            server: STANDARD.encode(mac(&salted, b"Server Key")),
        }
    }
}

/// A proof that has begun.
pub(super) struct Conversation {
    user: User,
    nonce: String,
    /// The first messages of both, of which the proof is made.
    said: String,
}

impl Conversation {
    /// Takes the client's first message; nothing where there is no such user.
    pub(super) fn begin(
        start: &Document,
        find: impl FnOnce(&str) -> Option<User>,
    ) -> Option<(Self, Document)> {
        let first = text(start)?;
        let bare = first.strip_prefix("n,,")?;
        let user = find(attribute(bare, "n")?)?;
        let nonce = format!("{}{}", attribute(bare, "r")?, uuid::Uuid::new_v4());
        let answer = format!("r={nonce},s={},i={ROUNDS}", user.credential.salt);
        let said = format!("{bare},{answer}");
        Some((Self { user, nonce, said }, reply(&answer, false)))
    }

    /// Takes the client's proof; nothing where it is wrong.
    pub(super) fn prove(self, proof: &Document) -> Option<(User, Document)> {
        let last = text(proof)?;
        let (without, proof) = last.rsplit_once(",p=")?;
        if attribute(without, "r")? != self.nonce {
            return None;
        }
        let said = format!("{},{without}", self.said);
        let known = |value: &str| STANDARD.decode(value).ok();
        let stored = known(&self.user.credential.stored)?;
        let signature = mac(&stored, said.as_bytes());
        let key: Vec<u8> = known(proof)?
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        if Sha256::digest(&key)[..] != stored {
            return None;
        }
        let server = mac(&known(&self.user.credential.server)?, said.as_bytes());
        let answer = format!("v={}", STANDARD.encode(server));
        Some((self.user, reply(&answer, true)))
    }
}

fn mac(key: &[u8], said: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(said);
    mac.finalize().into_bytes().into()
}

fn text(command: &Document) -> Option<String> {
    let payload = command.get_binary_generic("payload").ok()?;
    String::from_utf8(payload.clone()).ok()
}

fn attribute<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let parts = message.split(',');
    parts
        .filter_map(|part| part.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn reply(payload: &str, done: bool) -> Document {
    let payload = Binary {
        subtype: BinarySubtype::Generic,
        bytes: payload.as_bytes().to_vec(),
    };
    doc! {"conversationId": 1, "done": done, "payload": payload}
}
