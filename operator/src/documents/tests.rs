//! What the store is made of, and what keeps it from being made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::Documents;
use super::connection::Connection;
use crate::component::Component as _;
use crate::facts::Facts;
use crate::reason::Reason;
use crate::testing::{facts, facts_with};

fn mongodb() -> Value {
    json!({"managed": {"engine": "MongoDB"}})
}

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
fn three_members_of_mongodb_are_these_objects() {
    insta::assert_yaml_snapshot!(built(&facts(spec(&mongodb()))));
}

#[test]
fn a_single_member_of_mongodb_has_no_budget_that_would_keep_its_node_from_being_drained() {
    let single = json!({"managed": {"engine": "MongoDB", "replicas": 1, "version": "8.0.16"}});
    let built = built(&facts(spec(&single)));
    let kinds: Vec<&str> = built.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["NetworkPolicy", "ServiceAccount", "Service", "StatefulSet"]
    );
    let pods = &built[3].1["spec"]["template"]["spec"];
    assert_eq!(
        pods["containers"][0]["image"],
        "docker.io/library/mongo:8.0.16"
    );
}

#[test]
fn another_engine_s_version_in_the_status_is_not_mongodb_s() {
    let mut facts = facts(spec(&mongodb()));
    facts.status.components.documents = Some(chatbot_crds::EngineStatus {
        version: Some("2.7.0".to_owned()),
        ..chatbot_crds::EngineStatus::default()
    });
    let set = built(&facts).pop().unwrap().1;
    let pods = &set["spec"]["template"]["spec"];
    assert_eq!(
        pods["containers"][0]["image"],
        "docker.io/library/mongo:8.0"
    );
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
    assert_eq!(managed.replica_set, None);
    let members = of(&facts(spec(&mongodb()))).unwrap();
    assert_eq!(
        members.hosts,
        "shop-documents-0.default.svc:27017,shop-documents-1.default.svc:27017,shop-documents-2.default.svc:27017"
    );
    assert_eq!(members.replica_set.as_deref(), Some("chatbot"));
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
