//! What the store is made of, and what keeps it from being made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::Documents;
use super::connection::Connection;
use crate::component::Component as _;
use crate::facts::Facts;
use crate::reason::Reason;
use crate::testing::{facts, facts_with};

fn spec(documents: &Value) -> Value {
    json!({"llm": {"provider": "Echo"}, "documents": documents})
}

fn built(documents: &Facts) -> Vec<(String, Value)> {
    let plan = Documents.validate(documents).unwrap();
    Documents
        .build(&plan)
        .into_iter()
        .map(|child| (child.resource.kind, child.body))
        .collect()
}

fn external() -> Facts {
    let documents = json!({"external": {"hosts": ["d0:27017", "d1:27017"], "replicaSet": "rs0", "secretName": "store"}});
    facts_with(
        spec(&documents),
        &[("store", &[("username", "app"), ("password", "secret")])],
    )
}

#[test]
fn a_store_is_these_objects() {
    insta::assert_yaml_snapshot!(built(&facts(spec(&json!({"managed": {}})))));
}

#[test]
fn one_that_somebody_else_runs_and_none_are_no_objects() {
    assert_eq!(built(&external()), []);
    assert_eq!(built(&facts(spec(&json!({"none": {}})))), []);
}

#[test]
fn storage_is_told_where_it_is() {
    let of = |facts: &Facts| Connection::of(facts).unwrap();
    let managed = of(&facts(spec(&json!({"managed": {}, "retentionDays": 30})))).unwrap();
    assert_eq!(managed.hosts, "shop-documents.default.svc:27017");
    assert_eq!((managed.tls, managed.retention_days), (false, Some(30)));
    let other = of(&external()).unwrap();
    assert_eq!(
        (other.hosts.as_str(), other.tls),
        ("d0:27017,d1:27017", true)
    );
    assert_eq!(other.replica_set.as_deref(), Some("rs0"));
    assert_eq!(other.account.user, "app");
    assert!(of(&facts(spec(&json!({"none": {}})))).is_none());
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let wanted = json!({"external": {"hosts": ["d:27017"], "secretName": "store"}});
    let problem = Documents.validate(&facts(spec(&wanted))).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretMissing);
    assert!(problem.message.contains("documents.external.secretName"));
}
