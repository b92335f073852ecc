//! When the migration runs, and what is told of its failure.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;

use super::*;
use crate::testing::{AUTHORITY, facts, facts_with};

fn echo() -> Facts {
    facts(json!({"llm": {"provider": "Echo"}}))
}

fn job(status: Value) -> Job {
    serde_json::from_value(json!({"metadata": {"name": "j", "uid": "1"}, "status": status}))
        .unwrap()
}

fn failed() -> Job {
    job(json!({"conditions": [{"type": "Failed", "status": "True"}]}))
}

fn ended_with(code: u8, message: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "j-x"},
        "status": {"containerStatuses": [{
            "name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "reason": "Error", "message": message}},
        }]},
    }))
    .unwrap()
}

#[test]
fn it_is_these_objects() {
    let plan = plan(&echo()).unwrap();
    insta::assert_yaml_snapshot!(
        Migration
            .build(&plan)
            .iter()
            .map(|child| (&child.resource.kind, &child.body))
            .collect::<Vec<_>>()
    );
}

#[test]
fn another_image_is_another_job() {
    let mut facts = echo();
    let before = plan(&facts).unwrap().job;
    assert_eq!(before, plan(&facts).unwrap().job);
    facts.spec.image = Some("registry/chatbot:2".to_owned());
    assert_ne!(before, plan(&facts).unwrap().job);
}

#[test]
fn it_waits_until_a_member_takes_writes() {
    let mut facts = echo();
    let plan = plan(&facts).unwrap();
    assert_eq!(Migration.needs(&plan, &facts, &Live::default()).len(), 1);
    facts.status.components.mysql = Some(chatbot_crds::EngineStatus {
        primary: Some("shop-mysql-0".to_owned()),
        ..chatbot_crds::EngineStatus::default()
    });
    assert_eq!(Migration.needs(&plan, &facts, &Live::default()).len(), 0);
}

#[test]
fn the_exit_code_tells_what_kind_of_failure_it_is() {
    for (code, reason) in [
        (exit::REFUSED, Reason::MysqlRefused),
        (exit::TRY_LATER, Reason::MysqlUnreachable),
        (1, Reason::MigrationFailed),
    ] {
        let pod = ended_with(code, "starting\naccess denied for user app\n");
        let seen = observe(&failed(), &[&pod], &echo());
        assert_eq!(seen.reason, reason);
        assert!(seen.message.ends_with("access denied for user app"));
    }
}

#[test]
fn a_failure_is_the_news_until_an_attempt_succeeds() {
    let mut facts = echo();
    facts.status.conditions = serde_json::from_value(json!([{
        "type": conditions::SCHEMA_READY, "status": "False", "reason": "MysqlUnreachable",
        "message": "no route", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]))
    .unwrap();
    let running = job(json!({"active": 1}));
    assert_eq!(
        observe(&running, &[], &facts).reason,
        Reason::MysqlUnreachable
    );
    assert_eq!(observe(&running, &[], &echo()).reason, Reason::Migrating);
}

#[test]
fn another_authority_is_another_job() {
    let spec = json!({
        "llm": {"provider": "Echo"},
        "mysql": {"external": {"host": "db", "secretName": "db", "tls": "Verified", "ca": {"secretName": "db"}}},
    });
    let job = |pem: &str| {
        let secret: &[(&str, &str)] = &[("username", "u"), ("password", "p"), ("ca.crt", pem)];
        plan(&facts_with(spec.clone(), &[("db", secret)])).unwrap()
    };
    let plan = job(AUTHORITY);
    let pod = json!(plan.template.spec);
    let variables = pod["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| {
        let of = variables.iter().find(|variable| variable["name"] == name);
        of.unwrap()["value"].clone()
    };
    assert_eq!(value("CHATBOT_MYSQL_TLS"), "verified");
    assert_eq!(
        value("CHATBOT_MYSQL_CA_FILE"),
        "/etc/chatbot/secret-0/ca.crt"
    );
    assert_ne!(plan.job, job(&format!("{AUTHORITY}{AUTHORITY}")).job);
}
