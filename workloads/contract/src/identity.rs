//! Keys of the identity Secret and the JSON documents in it: what must outlive everything else.

use serde::{Deserialize, Serialize};

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

/// Keys that wrap users' data keys: the current one wraps, all of them unwrap.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyRing {
    /// Id of the key that wraps new data keys.
    pub current: String,
    /// Every key that may still be needed.
    pub keys: Vec<RingKey>,
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
