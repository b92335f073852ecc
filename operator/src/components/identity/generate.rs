//! Generates the values of the identity Secret.

use std::collections::BTreeMap;

use chatbot_contract::identity::{
    self, DOCUMENTS_ADMIN_PASSWORD, DOCUMENTS_AGENT_TOKEN, DOCUMENTS_MEMBER_KEY,
    DOCUMENTS_PASSWORD, INTERNAL_KEY, KAFKA_AGENT_TOKEN, KEY_RING, KeyRing, MYSQL_AGENT_TOKEN,
    MYSQL_GROUP_ID, REDIS_AGENT_TOKEN, SIGNING_KEYS, SigningKey, SigningKeys,
};
use chatbot_contract::{kafka, mysql, redis};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::ByteString;
use serde::Serialize;
use uuid::Uuid;

/// The second signing key begins to sign this long after its publication (hours): longer than
/// anybody keeps a copy of the published keys.
const NEXT_KEY_SIGNS_AFTER_HOURS: i64 = 90 * 24;

/// Every key that the Secret has.
pub(super) fn keys() -> Vec<String> {
    let fixed = [
        INTERNAL_KEY,
        KEY_RING,
        SIGNING_KEYS,
        MYSQL_GROUP_ID,
        MYSQL_AGENT_TOKEN,
        REDIS_AGENT_TOKEN,
        KAFKA_AGENT_TOKEN,
        DOCUMENTS_AGENT_TOKEN,
        DOCUMENTS_PASSWORD,
        DOCUMENTS_ADMIN_PASSWORD,
        DOCUMENTS_MEMBER_KEY,
    ];
    let mysql = mysql::ACCOUNTS.map(identity::mysql_password);
    let redis = redis::ACCOUNTS.map(identity::redis_password);
    let kafka = kafka::ACCOUNTS.map(identity::kafka_password);
    fixed
        .map(str::to_owned)
        .into_iter()
        .chain(mysql)
        .chain(redis)
        .chain(kafka)
        .collect()
}

/// Generates values for these keys.
pub(super) fn values(keys: &[String], now: Timestamp) -> BTreeMap<String, ByteString> {
    keys.iter()
        .map(|key| (key.clone(), ByteString(value(key, now).into_bytes())))
        .collect()
}

fn value(key: &str, now: Timestamp) -> String {
    match key {
        INTERNAL_KEY => identity::secret(),
        KEY_RING => json(&KeyRing::generate()),
        SIGNING_KEYS => {
            let next = now
                .checked_add(NEXT_KEY_SIGNS_AFTER_HOURS.hours())
                .unwrap_or(Timestamp::MAX);
            json(&SigningKeys {
                // Nobody can have a copy of the published keys that is older than the first.
                keys: vec![
                    SigningKey::generate(0),
                    SigningKey::generate(next.as_second()),
                ],
            })
        }
        MYSQL_GROUP_ID => Uuid::new_v4().to_string(),
        // Passwords, MongoDB's key and the agents' tokens: 128 bits as 32 hexadecimal digits, safe in any syntax. MySQL takes no
        // longer password for the recovery of a group's members.
        _ => crate::apply::hex(&rand::random::<[u8; 16]>()),
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("a struct of strings is valid JSON")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn one_key_signs_and_the_next_is_published_long_before_it_does() {
        let now = Timestamp::now();
        let keys: SigningKeys = serde_json::from_str(&value(SIGNING_KEYS, now)).unwrap();
        assert!(keys.keys[0].signs_from <= now.as_second());
        assert!(keys.keys[1].signs_from > now.as_second() + 3600);
        assert!(
            keys.keys[0]
                .private_key
                .starts_with("-----BEGIN PRIVATE KEY-----")
        );
        assert_ne!(keys.keys[0].private_key, keys.keys[1].private_key);
    }

    #[test]
    fn the_key_ring_wraps_with_a_key_that_it_holds() {
        let ring: KeyRing = serde_json::from_str(&value(KEY_RING, Timestamp::now())).unwrap();
        assert_eq!(ring.current, ring.keys[0].id);
        assert_eq!(STANDARD.decode(&ring.keys[0].secret).unwrap().len(), 32);
    }

    #[test]
    fn every_account_has_a_password_of_its_own() {
        let values = values(&keys(), Timestamp::now());
        let passwords: std::collections::BTreeSet<_> = mysql::ACCOUNTS
            .iter()
            .map(|account| values[&identity::mysql_password(account)].0.clone())
            .collect();
        assert_eq!(passwords.len(), mysql::ACCOUNTS.len());
    }
}
