//! What a group is made of, and what keeps it from being made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::{Mysql, Plan};
use crate::component::Component as _;
use crate::facts::StorageClassFact;
use crate::reason::{Problem, Reason};
use crate::testing::facts;

fn validated(managed: &Value, classes: &[(&str, bool)]) -> Result<Plan, Problem> {
    let spec = json!({"llm": {"provider": "Echo"}, "mysql": {"managed": managed}});
    let mut facts = facts(spec);
    facts.storage_classes = Some(
        classes
            .iter()
            .map(|&(name, default)| StorageClassFact {
                name: name.to_owned(),
                default,
            })
            .collect(),
    );
    Mysql.validate(&facts)
}

fn built(managed: &Value) -> Vec<(String, Value)> {
    let plan = validated(managed, &[("fast", true)]).unwrap();
    Mysql
        .build(&plan)
        .into_iter()
        .map(|child| (child.resource.kind, child.body))
        .collect()
}

fn reason(managed: &Value, classes: &[(&str, bool)]) -> Reason {
    validated(managed, classes).unwrap_err().reason
}

#[test]
fn three_members_are_these_objects() {
    insta::assert_yaml_snapshot!(built(
        &json!({"replicas": 3, "config": {"max_connections": "500"}})
    ));
}

#[test]
fn a_single_member_has_no_budget_that_would_keep_its_node_from_being_drained() {
    let kinds: Vec<String> = built(&json!({"replicas": 1}))
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert!(
        !kinds.contains(&"PodDisruptionBudget".to_owned()),
        "{kinds:?}"
    );
}

#[test]
fn a_budget_takes_as_many_members_as_the_group_can_lose() {
    for (replicas, lost) in [(3, 1), (5, 2), (7, 3)] {
        let all = built(&json!({"replicas": replicas}));
        let (_, budget) = all
            .iter()
            .find(|(kind, _)| kind == "PodDisruptionBudget")
            .unwrap();
        assert_eq!(budget["spec"]["maxUnavailable"], lost);
    }
}

#[test]
fn more_members_change_nothing_in_the_pods() {
    let template = |replicas: i32| {
        let all = built(&json!({"replicas": replicas}));
        let (_, set) = all
            .into_iter()
            .find(|(kind, _)| kind == "StatefulSet")
            .unwrap();
        set["spec"]["template"].clone()
    };
    assert_eq!(template(1), template(3));
}

#[test]
fn a_storage_class_that_is_not_there_is_named() {
    let named = json!({"storage": {"size": "1Gi", "className": "slow"}});
    assert_eq!(
        reason(&named, &[("fast", true)]),
        Reason::StorageClassMissing
    );
    assert_eq!(
        reason(&json!({}), &[("fast", false)]),
        Reason::NoDefaultStorageClass
    );
}

#[test]
fn a_setting_cannot_smuggle_in_another_one() {
    let smuggled = json!({"config": {"max_connections": "5\nsuper_read_only=OFF"}});
    assert_eq!(reason(&smuggled, &[("fast", true)]), Reason::InvalidSpec);
}
