//! For unit tests: facts as they would have been read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use chatbot_contract::{identity, kafka, mysql, redis};
use serde_json::Value;

use crate::facts::{Facts, Identity, SecretData};
use crate::settings::Settings;

/// A certificate authority that nothing was signed by; good until 2126.
pub(crate) const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIUNJ0gt93/5dQ/kgmgEUPP5CLWGe4wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYxMTI3MTk1MTAyWhgPMjEy
NjExMDMxOTUxMDJaMBkxFzAVBgNVBAMMDlRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEqh/rVQIskj1mpGzcazExhJ51yIw/1RBLwE1L5H4L
X9q7nLEuI9HqMtARZa4a09rvpGu8P77oUCDwZyZU8ML6uKNTMFEwHQYDVR0OBBYE
FOot+FLNQPUanKvDb6YFVrEpvlovMB8GA1UdIwQYMBaAFOot+FLNQPUanKvDb6YF
VrEpvlovMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhALdRzrPD
Ta0/mROFE7mQF8TN+DX7z8Q2n15+69e8jPilAiEA1BHN2RjHyeJKsUoVJ2wrdNjx
6hD/7BkPT9B0RUyQUNA=
-----END CERTIFICATE-----
";

/// Facts of `shop` in `default` with this spec, a complete identity, and no other Secret.
pub(crate) fn facts(spec: Value) -> Facts {
    facts_with(spec, &[])
}

/// The same, with Secrets.
pub(crate) fn facts_with(spec: Value, secrets: &[(&str, &[(&str, &str)])]) -> Facts {
    Facts {
        name: "shop".to_owned(),
        namespace: "default".to_owned(),
        uid: "1".to_owned(),
        generation: 1,
        annotations: BTreeMap::new(),
        spec: serde_json::from_value(spec).unwrap(),
        status: chatbot_crds::ChatbotDeploymentStatus::default(),
        secrets: secrets
            .iter()
            .map(|(name, data)| ((*name).to_owned(), Some(bytes(data.iter().copied()))))
            .collect(),
        storage_classes: None,
        identity: Some(identity()),
        settings: Arc::new(settings()),
    }
}

fn identity() -> Identity {
    let mut data = bytes(
        [
            identity::INTERNAL_KEY,
            identity::KEY_RING,
            identity::SIGNING_KEYS,
            identity::MYSQL_GROUP_ID,
            identity::MYSQL_AGENT_TOKEN,
            identity::REDIS_AGENT_TOKEN,
            identity::KAFKA_AGENT_TOKEN,
            identity::DOCUMENTS_AGENT_TOKEN,
            identity::DOCUMENTS_PASSWORD,
            identity::DOCUMENTS_ADMIN_PASSWORD,
            identity::DOCUMENTS_MEMBER_KEY,
        ]
        .map(|key| (key, "x")),
    );
    for account in mysql::ACCOUNTS {
        data.insert(identity::mysql_password(account), b"x".to_vec());
    }
    for account in redis::ACCOUNTS {
        data.insert(identity::redis_password(account), b"x".to_vec());
    }
    for account in kafka::ACCOUNTS {
        data.insert(identity::kafka_password(account), b"x".to_vec());
    }
    Identity { data }
}

fn bytes<'a>(data: impl IntoIterator<Item = (&'a str, &'a str)>) -> SecretData {
    data.into_iter()
        .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn settings() -> Settings {
    Settings {
        workload_image: "chatbot:1".to_owned(),
        operator_image: "chatbot-operator:1".to_owned(),
        mysql_repository: "docker.io/library/mysql".to_owned(),
        documentdb_image: "ghcr.io/ferretdb/postgres-documentdb:1".to_owned(),
        ferretdb_image: "ghcr.io/ferretdb/ferretdb:2.7.0".to_owned(),
        kafka_repository: "docker.io/apache/kafka".to_owned(),
        mongo_repository: "docker.io/library/mongo".to_owned(),
        redis_repository: "docker.io/library/redis".to_owned(),
        nginx_image: "docker.io/library/nginx:1.30".to_owned(),
        watch_namespaces: Vec::new(),
        lease_name: "chatbot-operator".to_owned(),
        lease_namespace: "default".to_owned(),
        identity: "test".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        log: "info".to_owned(),
    }
}
