//! Keys of the identity Secret and the JSON documents in it: what must outlive everything else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// 32 random bytes, base64: signs the short-lived tokens of calls between workloads (HS256).
pub const INTERNAL_KEY: &str = "internal-key";
/// A [`KeyRing`] as JSON.
pub const KEY_RING: &str = "key-ring.json";
/// [`SigningKeys`] as JSON.
pub const SIGNING_KEYS: &str = "signing-keys.json";
/// UUID of the MySQL replication group.
pub const MYSQL_GROUP_ID: &str = "mysql-group-id";
/// Bearer token of the MySQL agents' interface.
pub const MYSQL_AGENT_TOKEN: &str = "mysql-agent-token";
/// Bearer token of the Redis agents' interface.
pub const REDIS_AGENT_TOKEN: &str = "redis-agent-token";
/// Bearer token of the interface of the document store's agent.
pub const DOCUMENTS_AGENT_TOKEN: &str = "documents-agent-token";
/// Password of storage's account at the document store.
pub const DOCUMENTS_PASSWORD: &str = "documents-workload-password";
/// Password of the agents' account at MongoDB.
pub const DOCUMENTS_ADMIN_PASSWORD: &str = "documents-admin-password";
/// What MongoDB's members tell each other apart from strangers by: the content of their key file.
pub const DOCUMENTS_MEMBER_KEY: &str = "documents-member-key";
/// Bearer token of the Kafka agents' interface.
pub const KAFKA_AGENT_TOKEN: &str = "kafka-agent-token";

/// The `aud` of access tokens.
pub const ACCESS_TOKEN_AUDIENCE: &str = "chatbot";

/// Key of the Secret under which the password of a MySQL account stands.
#[must_use]
pub fn mysql_password(account: &str) -> String {
    format!("mysql-{account}-password")
}

/// Key of the Secret under which the password of a Redis account stands.
#[must_use]
pub fn redis_password(account: &str) -> String {
    format!("redis-{account}-password")
}

/// Key of the Secret under which the password of a Kafka account stands.
#[must_use]
pub fn kafka_password(account: &str) -> String {
    format!("kafka-{account}-password")
}

/// Makes 32 random bytes, in base64.
#[must_use]
pub fn secret() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Keys that wrap users' data keys: the current one wraps, all of them unwrap.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyRing {
    /// Id of the key that wraps new data keys.
    pub current: String,
    /// Every key that may still be needed.
    pub keys: Vec<RingKey>,
}

impl KeyRing {
    /// Makes a ring with one fresh key.
    #[must_use]
    pub fn generate() -> Self {
        let id = Uuid::now_v7().to_string();
        Self {
            current: id.clone(),
            keys: vec![RingKey {
                id,
                secret: secret(),
            }],
        }
    }
}

/// One key of a [`KeyRing`].
#[derive(Clone, Serialize, Deserialize)]
pub struct RingKey {
    /// Id, stored beside what the key wrapped.
    pub id: String,
    /// 32 bytes, base64.
    pub secret: String,
}

/// Keys of access tokens: every one is published, the newest whose time has come signs.
#[derive(Clone, Serialize, Deserialize)]
pub struct SigningKeys {
    /// All keys whose signatures may still be met, and those that will sign next.
    pub keys: Vec<SigningKey>,
}

/// One key of [`SigningKeys`]: ECDSA on P-256 (`ES256`, RFC 7518 section 3.4).
#[derive(Clone, Serialize, Deserialize)]
pub struct SigningKey {
    /// The `kid` of tokens and of the JWKS.
    pub id: String,
    /// Private key, PKCS #8 in PEM.
    pub private_key: String,
    /// First moment at which this key signs, in seconds since the Unix epoch: later than its
    /// publication by more than any cache keeps a JWKS.
    pub signs_from: i64,
}

impl SigningKey {
    /// Makes a fresh key that signs from this moment on, in seconds since the Unix epoch.
    #[must_use]
    pub fn generate(signs_from: i64) -> Self {
        // All but about one in 2^32 values are valid scalars (FIPS 186-5, appendix A.2.2).
        let key = loop {
            if let Ok(key) = p256::SecretKey::from_slice(&rand::random::<[u8; 32]>()) {
                break key;
            }
        };
        let pem = key
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a valid key can be encoded");
        Self {
            id: Uuid::now_v7().to_string(),
            private_key: pem.to_string(),
            signs_from,
        }
    }
}
