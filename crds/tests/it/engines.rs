//! The rules of MySQL, Redis, Kafka and the document store.

use chatbot_crds::{OWNED_KAFKA_SETTINGS, OWNED_REDIS_SETTINGS, OWNED_SETTINGS};
use serde_json::{Value, json};

use crate::{accepts, accepts_update, object, rejects, rejects_update};

#[test]
fn mysql_is_managed_or_external_and_not_both() {
    let external = json!({"host": "db.example", "secretName": "db"});
    accepts(&[("/spec/mysql/external", external.clone())]);
    rejects(&[("/spec/mysql", json!({}))], "exactly one of managed");
    rejects(
        &[("/spec/mysql", json!({"managed": {}, "external": external}))],
        "exactly one of managed",
    );
}

#[test]
fn mysql_stays_where_its_data_is() {
    let external = (
        "/spec/mysql/external",
        json!({"host": "db.example", "secretName": "db"}),
    );
    rejects_update(
        &[],
        std::slice::from_ref(&external),
        "cannot change between managed and external",
    );
    rejects_update(
        &[external],
        &[],
        "cannot change between managed and external",
    );
}

fn kafka(changes: Value) -> [(&'static str, Value); 1] {
    let mut external = json!({"bootstrapServers": ["kafka.example:9093"], "secretName": "events"});
    for (name, value) in changes.as_object().expect("changes are an object") {
        external[name] = value.clone();
    }
    [("/spec/kafka/external", external)]
}

#[test]
fn kafka_is_managed_or_somebody_elses_or_none() {
    accepts(&kafka(json!({})));
    let spec = object(&kafka(json!({}))).spec;
    let external = spec.kafka.external.expect("it is there");
    assert_eq!(external.mechanism.name(), "SCRAM-SHA-512");
    assert_eq!(
        (external.tls, external.topic_prefix.as_str()),
        (true, "chatbot")
    );
    assert_eq!(
        object(&[]).spec.kafka.managed.map(|kafka| kafka.replicas),
        Some(3)
    );
    accepts_update(&[], &kafka(json!({})));
    accepts_update(&kafka(json!({})), &[]);
    rejects(
        &[("/spec/kafka", json!({"managed": {}, "none": {}}))],
        "kafka takes exactly one of",
    );
}

#[test]
fn managed_documents_keep_their_engine_and_size() {
    let managed = |managed: Value| [("/spec/documents", json!({"managed": managed}))];
    let mongodb = |replicas: i32| managed(json!({"engine": "MongoDB", "replicas": replicas}));
    let default = managed(json!({"engine": "MongoDB"}));
    accepts(&managed(json!({})));
    accepts(&managed(json!({"engine": "FerretDB", "replicas": 1})));
    accepts(&default);
    accepts(&mongodb(1));
    accepts(&managed(json!({"engine": "MongoDB", "version": "8.0"})));
    let sentence = "documents.managed.replicas must be 1 or absent for FerretDB";
    for replicas in [0, 2, 4] {
        rejects(&mongodb(replicas), sentence);
    }
    rejects(&managed(json!({"replicas": 3})), sentence);
    rejects(
        &managed(json!({"version": "2.7.0"})),
        "documents.managed.version is for MongoDB",
    );

    let sentence = "documents.managed.engine and replicas cannot change";
    accepts_update(&default, &mongodb(3));
    accepts_update(&managed(json!({})), &managed(json!({"replicas": 1})));
    rejects_update(&mongodb(1), &mongodb(3), sentence);
    rejects_update(&mongodb(1), &default, sentence);
    rejects_update(&managed(json!({})), &mongodb(1), sentence);
    let none = [("/spec/documents", json!({"none": {}}))];
    accepts_update(&managed(json!({})), &none);
    accepts_update(&none, &default);
}

#[test]
fn kafka_keeps_its_size() {
    let size = |replicas: i32| [("/spec/kafka/managed/replicas", json!(replicas))];
    accepts(&size(1));
    for replicas in [0, 2, 5] {
        rejects(&size(replicas), "kafka.managed.replicas must be 1 or 3");
    }
    rejects_update(&size(1), &size(3), "kafka.managed.replicas cannot change");
    let none = [("/spec/kafka", json!({"none": {}}))];
    accepts_update(&size(1), &none);
    accepts_update(&none, &size(3));
}

#[test]
fn settings_of_kafka_that_the_operator_owns_are_refused() {
    let with = |setting: &str| [("/spec/kafka/managed/config", json!({setting: "x"}))];
    accepts(&with("log.retention.hours"));
    for owned in OWNED_KAFKA_SETTINGS
        .into_iter()
        .chain(["sasl.enabled.mechanisms", "listener.name.clients.x"])
    {
        rejects(&with(owned), "kafka.managed.config names a setting");
    }
}

#[test]
fn kafka_servers_are_hosts_with_ports() {
    for good in [
        "k:1",
        "kafka-0.kafka.example:9093",
        "192.0.2.1:9092",
        "[2001:db8::1]:9092",
    ] {
        accepts(&kafka(json!({"bootstrapServers": [good]})));
    }
    for bad in [
        "kafka.example",
        "kafka.example:",
        ":9092",
        "http://k:9092",
        "k:9092,l:9092",
        "k:123456",
    ] {
        rejects(
            &kafka(json!({"bootstrapServers": ["k:1", bad]})),
            "bootstrapServers must be host:port",
        );
    }
}

#[test]
fn kafka_gets_no_password_that_can_be_read_on_the_way() {
    accepts(&kafka(json!({"mechanism": "PLAIN", "tls": true})));
    accepts(&kafka(json!({"mechanism": "SCRAM-SHA-256", "tls": false})));
    rejects(
        &kafka(json!({"mechanism": "PLAIN", "tls": false})),
        "PLAIN sends the password as it is",
    );
}

#[test]
fn mysql_has_a_size_that_can_keep_a_majority() {
    for replicas in [1, 3, 5, 7] {
        accepts(&[("/spec/mysql/managed/replicas", json!(replicas))]);
    }
    for replicas in [0, 2, 4, 9] {
        rejects(
            &[("/spec/mysql/managed/replicas", json!(replicas))],
            "must be 1, 3, 5 or 7",
        );
    }
}

#[test]
fn mysql_grows_and_does_not_shrink() {
    let replicas = |n: i32| [("/spec/mysql/managed/replicas", json!(n))];
    accepts_update(&replicas(1), &replicas(3));
    rejects_update(&replicas(3), &replicas(1), "cannot shrink");
}

#[test]
fn storage_is_a_quantity_and_keeps_its_size() {
    let size = |s: &str| [("/spec/mysql/managed/storage/size", json!(s))];
    accepts(&size("500Mi"));
    rejects(&size("ten"), "storage.size must be a quantity");
    rejects(&size("0"), "storage.size must be a quantity");
    accepts_update(&size("1Gi"), &size("1Gi"));
    rejects_update(&size("1Gi"), &size("2Gi"), "storage cannot be changed");
}

#[test]
fn settings_that_the_operator_owns_are_refused_in_any_spelling() {
    let config = |name: &str| [("/spec/mysql/managed/config", json!({name: "1"}))];
    accepts(&config("max_connections"));
    for name in OWNED_SETTINGS {
        rejects(&config(name), "names a setting that the operator owns");
    }
    for name in [
        "Super-Read-Only",
        "group_replication_group_name",
        "loose-group_replication_x",
    ] {
        rejects(&config(name), "names a setting that the operator owns");
    }
}

#[test]
fn redis_is_managed_external_or_absent_and_may_change_its_mind() {
    let external = json!({"host": "cache.example.org", "secretName": "cache"});
    let none = json!({"none": {}});
    for redis in [
        json!({"managed": {}}),
        json!({"external": external}),
        none.clone(),
    ] {
        accepts(&[("/spec/redis", redis)]);
    }
    let sentence = "redis takes exactly one of";
    rejects(&[("/spec/redis", json!({}))], sentence);
    rejects(
        &[("/spec/redis", json!({"external": external, "none": {}}))],
        sentence,
    );
    accepts_update(&[], &[("/spec/redis", none.clone())]);
    accepts_update(&[("/spec/redis", none)], &[]);
}

#[test]
fn redis_has_a_size_whose_sentinels_can_agree() {
    let replicas = |n: i32| [("/spec/redis/managed/replicas", json!(n))];
    accepts(&replicas(1));
    accepts(&replicas(3));
    for size in [0, 2, 4, 5] {
        rejects(&replicas(size), "redis.managed.replicas must be 1 or 3");
    }
    accepts_update(&replicas(1), &replicas(3));
    rejects_update(
        &replicas(3),
        &replicas(1),
        "redis.managed.replicas cannot shrink",
    );
}

#[test]
fn the_operators_own_settings_of_redis_are_not_to_be_changed() {
    let config = |name: &str| [("/spec/redis/managed/config", json!({name: "1"}))];
    accepts(&config("maxmemory-policy"));
    for name in OWNED_REDIS_SETTINGS.into_iter().chain(["ReplicaOf"]) {
        rejects(&config(name), "names a setting that the operator owns");
    }
}
