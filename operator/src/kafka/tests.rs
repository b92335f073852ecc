//! What the members are made of, and what keeps them from being made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::Kafka;
use super::connection::Connection;
use super::plan::Plan;
use crate::component::Component as _;
use crate::facts::{Facts, StorageClassFact};
use crate::reason::{Problem, Reason};
use crate::testing::{facts, facts_with};

fn spec(kafka: &Value) -> Value {
    json!({"llm": {"provider": "Echo"}, "kafka": kafka})
}

fn validated(managed: &Value) -> Result<Plan, Problem> {
    let mut facts = facts(spec(&json!({"managed": managed})));
    facts.storage_classes = Some(vec![StorageClassFact {
        name: "fast".to_owned(),
        default: true,
    }]);
    Kafka.validate(&facts)
}

fn built(kafka: &Facts) -> Vec<(String, Value)> {
    let plan = Kafka.validate(kafka).unwrap();
    Kafka
        .build(&plan)
        .into_iter()
        .map(|child| (child.resource.kind, child.body))
        .collect()
}

fn external() -> Facts {
    let kafka =
        json!({"external": {"bootstrapServers": ["k0:9093", "k1:9093"], "secretName": "events"}});
    facts_with(
        spec(&kafka),
        &[("events", &[("username", "app"), ("password", "secret")])],
    )
}

#[test]
fn three_members_are_these_objects() {
    let managed = json!({"managed": {"replicas": 3, "config": {"log.retention.hours": "24"}}});
    insta::assert_yaml_snapshot!(built(&facts(spec(&managed))));
}

#[test]
fn a_single_member_has_no_budget_that_would_keep_its_node_from_being_drained() {
    let kinds: Vec<String> = built(&facts(spec(&json!({"managed": {"replicas": 1}}))))
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(
        kinds,
        ["ServiceAccount", "ConfigMap", "Service", "StatefulSet"]
    );
}

#[test]
fn one_that_somebody_else_runs_and_none_are_no_objects() {
    assert_eq!(built(&external()), []);
    assert_eq!(built(&facts(spec(&json!({"none": {}})))), []);
}

#[test]
fn the_workloads_are_told_of_every_server() {
    let of = |facts: &Facts| Connection::of(facts).unwrap();
    let managed = of(&facts(spec(&json!({"managed": {"replicas": 3}})))).unwrap();
    assert_eq!(managed.mechanism, "SCRAM-SHA-512");
    assert!(
        managed
            .servers
            .starts_with("shop-kafka-0.default.svc:9092,shop-kafka-1.")
    );
    let other = of(&external()).unwrap();
    assert_eq!(
        (other.servers.as_str(), other.tls),
        ("k0:9093,k1:9093", true)
    );
    assert_eq!(other.account.user, "app");
    assert!(of(&facts(spec(&json!({"none": {}})))).is_none());
}

#[test]
fn a_secret_that_is_not_there_or_lacks_a_key_is_named() {
    let wanted = json!({"external": {"bootstrapServers": ["k:9093"], "secretName": "events"}});
    let problem = Kafka.validate(&facts(spec(&wanted))).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretMissing);
    assert!(problem.message.contains("kafka.external.secretName"));
    let half = facts_with(spec(&wanted), &[("events", &[("username", "u")])]);
    let problem = Kafka.validate(&half).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretKeyMissing);
}

#[test]
fn a_storage_class_that_is_not_there_is_named() {
    let named = json!({"storage": {"size": "1Gi", "className": "slow"}});
    let problem = validated(&named).unwrap_err();
    assert_eq!(problem.reason, Reason::StorageClassMissing);
    assert!(problem.message.contains("kafka.managed.storage.className"));
}

#[test]
fn a_setting_cannot_smuggle_in_another_one() {
    let smuggled = json!({"config": {"num.io.threads": "5\nsuper.users=User:workload"}});
    assert_eq!(
        validated(&smuggled).unwrap_err().reason,
        Reason::InvalidSpec
    );
}
