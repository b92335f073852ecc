//! What the members are made of, and what keeps them from being made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::Redis;
use super::connection::Connection;
use super::plan::Plan;
use crate::component::Component as _;
use crate::facts::{Facts, StorageClassFact};
use crate::reason::{Problem, Reason};
use crate::testing::{facts, facts_with};

fn spec(redis: &Value) -> Value {
    json!({"llm": {"provider": "Echo"}, "redis": redis})
}

fn validated(managed: &Value) -> Result<Plan, Problem> {
    let mut facts = facts(spec(&json!({"managed": managed})));
    facts.storage_classes = Some(vec![StorageClassFact {
        name: "fast".to_owned(),
        default: true,
    }]);
    Redis.validate(&facts)
}

fn built(redis: &Facts) -> Vec<(String, Value)> {
    let plan = Redis.validate(redis).unwrap();
    Redis
        .build(&plan)
        .into_iter()
        .map(|child| (child.resource.kind, child.body))
        .collect()
}

fn external() -> Facts {
    let redis =
        json!({"external": {"host": "cache", "port": 6380, "secretName": "cache", "tls": true}});
    facts_with(
        spec(&redis),
        &[("cache", &[("username", "app"), ("password", "secret")])],
    )
}

#[test]
fn three_members_are_these_objects() {
    let managed = json!({"managed": {"replicas": 3, "config": {"maxmemory-policy": "noeviction"}}});
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
fn the_workloads_are_told_of_the_sentinels_or_of_the_one_server() {
    let managed = |replicas| json!({"managed": {"replicas": replicas}});
    let of = |facts: &Facts| Connection::of(facts).unwrap();
    let three = of(&facts(spec(&managed(3)))).unwrap();
    assert_eq!(three.topology, "sentinel");
    assert_eq!(three.hosts[2], "shop-redis-2.default.svc:26379");
    let one = of(&facts(spec(&managed(1)))).unwrap();
    assert_eq!(one.topology, "single");
    assert_eq!(one.hosts, ["shop-redis-0.default.svc:6379"]);
    let other = of(&external()).unwrap();
    assert_eq!((other.topology, other.tls), ("single", true));
    assert_eq!(other.hosts, ["cache:6380"]);
    assert_eq!(other.account.user, "app");
    assert!(of(&facts(spec(&json!({"none": {}})))).is_none());
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let redis = json!({"external": {"host": "cache", "secretName": "cache"}});
    let problem = Redis.validate(&facts(spec(&redis))).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretMissing);
    assert!(problem.message.contains("redis.external.secretName"));
}

#[test]
fn a_storage_class_that_is_not_there_is_named() {
    let named = json!({"storage": {"size": "1Gi", "className": "slow"}});
    let problem = validated(&named).unwrap_err();
    assert_eq!(problem.reason, Reason::StorageClassMissing);
    assert!(problem.message.contains("redis.managed.storage.className"));
}

#[test]
fn a_setting_cannot_smuggle_in_another_one() {
    let smuggled = json!({"config": {"maxclients": "5\nprotected-mode no"}});
    assert_eq!(
        validated(&smuggled).unwrap_err().reason,
        Reason::InvalidSpec
    );
}
