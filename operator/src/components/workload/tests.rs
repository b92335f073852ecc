//! What a workload is made of, from a spec to its objects.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::*;
use crate::testing::{AUTHORITY, facts, facts_with};

fn built(workload: Workload, facts: &Facts) -> Vec<Child> {
    let component = WorkloadComponent(workload);
    component.build(&component.validate(facts).unwrap())
}

fn of_kind(children: &[Child], kind: &str) -> Value {
    children
        .iter()
        .find(|child| child.resource.kind == kind)
        .map(|child| child.body.clone())
        .unwrap_or_default()
}

fn container(children: &[Child]) -> Value {
    of_kind(children, "Deployment")["spec"]["template"]["spec"]["containers"][0].clone()
}

fn variable(container: &Value, name: &str) -> Value {
    container["env"]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == name)
        .map(|variable| variable["value"].clone())
        .unwrap_or_default()
}

#[test]
fn a_workload_is_these_objects() {
    for workload in Workload::ALL {
        insta::assert_yaml_snapshot!(
            workload.name(),
            built(workload, &facts(json!({"llm": {"provider": "Echo"}})))
                .iter()
                .map(|child| (&child.resource.kind, &child.body))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn every_pod_passes_pod_security_restricted_and_has_requests_and_limits() {
    for workload in Workload::ALL {
        let children = built(workload, &facts(json!({"llm": {"provider": "Echo"}})));
        let pod = &of_kind(&children, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
            for resource in ["cpu", "memory"] {
                assert!(container["resources"]["requests"][resource].is_string());
                assert!(container["resources"]["limits"][resource].is_string());
            }
        }
    }
}

#[test]
fn a_single_pod_has_no_budget_that_would_hold_up_a_drain() {
    let facts = facts(json!({"llm": {"provider": "Echo"}, "chat": {"replicas": 1}}));
    let children = built(Workload::Chat, &facts);
    assert_eq!(of_kind(&children, "PodDisruptionBudget"), Value::Null);
}

#[test]
fn a_group_is_reached_by_the_names_of_its_members() {
    let facts = facts(json!({
        "llm": {"provider": "Echo"},
        "mysql": {"managed": {"replicas": 3}},
    }));
    let container = container(&built(Workload::Storage, &facts));
    assert_eq!(
        variable(&container, "CHATBOT_MYSQL_HOSTS"),
        "shop-mysql-0.shop-mysql-members.default.svc:3306,\
         shop-mysql-1.shop-mysql-members.default.svc:3306,\
         shop-mysql-2.shop-mysql-members.default.svc:3306"
    );
    assert_eq!(variable(&container, "CHATBOT_MYSQL_TOPOLOGY"), "group");
}

#[test]
fn an_external_mysql_is_reached_with_its_own_account() {
    let facts = facts_with(
        json!({
            "llm": {"provider": "Echo"},
            "mysql": {"external": {"host": "db.example.org", "secretName": "db"}},
        }),
        &[("db", &[("username", "app"), ("password", "x")])],
    );
    let children = built(Workload::User, &facts);
    let container = container(&children);
    assert_eq!(
        variable(&container, "CHATBOT_MYSQL_HOSTS"),
        "db.example.org:3306"
    );
    assert_eq!(variable(&container, "CHATBOT_MYSQL_TOPOLOGY"), "single");
    assert_eq!(variable(&container, "CHATBOT_MYSQL_USER"), "app");
}

#[test]
fn a_missing_secret_and_a_missing_key_are_named() {
    let spec = json!({"llm": {"provider": "Groq", "apiKey": {"name": "groq", "key": "token"}}});
    let chat = WorkloadComponent(Workload::Chat);
    let problem = chat.validate(&facts(spec.clone())).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretMissing);
    assert!(
        problem.message.contains("Secret groq") && problem.message.contains("llm.apiKey"),
        "{problem}"
    );
    let problem = chat
        .validate(&facts_with(spec, &[("groq", &[("other", "x")])]))
        .unwrap_err();
    assert_eq!(problem.reason, Reason::SecretKeyMissing);
    assert!(problem.message.contains("no key token"), "{problem}");
}

#[test]
fn a_secret_of_one_workload_holds_up_no_other() {
    let facts = facts(json!({"llm": {"provider": "Groq", "apiKey": {"name": "groq"}}}));
    for workload in [Workload::Gateway, Workload::User, Workload::Storage] {
        assert!(WorkloadComponent(workload).validate(&facts).is_ok());
    }
}

#[test]
fn a_new_secret_rolls_the_pods_that_use_it() {
    let hash = |key: &str| {
        let facts = facts_with(
            json!({"llm": {"provider": "Groq", "apiKey": {"name": "groq"}}}),
            &[("groq", &[("api-key", key)])],
        );
        of_kind(&built(Workload::Chat, &facts), "Deployment")["spec"]["template"]["metadata"]
            ["annotations"][labels::CONFIG_HASH]
            .clone()
    };
    assert_eq!(hash("a"), hash("a"));
    assert_ne!(hash("a"), hash("b"));
}

#[test]
fn users_of_the_schema_wait_for_the_migration_of_their_own_image() {
    let facts = facts(json!({"llm": {"provider": "Echo"}}));
    let storage = WorkloadComponent(Workload::Storage);
    let plan = storage.validate(&facts).unwrap();
    assert_eq!(
        storage.needs(&plan, &facts, &Live::default()),
        ["the migration: not begun"]
    );
    let done = |name: &str| Live {
        jobs: vec![std::sync::Arc::new(
            serde_json::from_value(json!({
                "metadata": {"name": name},
                "status": {"conditions": [{"type": "Complete", "status": "True"}]},
            }))
            .unwrap(),
        )],
        ..Live::default()
    };
    let job = plan.schema.clone().unwrap();
    assert_eq!(storage.needs(&plan, &facts, &done(&job)), [""; 0]);
    assert_eq!(
        storage
            .needs(&plan, &facts, &done("shop-migrate-older"))
            .len(),
        1
    );
}

#[test]
fn without_an_identity_nothing_is_built() {
    let mut facts = facts(json!({"llm": {"provider": "Echo"}}));
    facts.identity = None;
    let problem = WorkloadComponent(Workload::Gateway)
        .validate(&facts)
        .unwrap_err();
    assert_eq!(problem.reason, Reason::WaitingForDependency);
}

#[test]
fn what_the_workload_reports_of_the_model_becomes_a_condition() {
    use chatbot_contract::report::{Dependency, Report};
    let report = Report {
        dependencies: vec![Dependency {
            name: DependencyName::Model,
            state: chatbot_contract::report::DependencyState::Refused,
            message: "the API refuses the key".to_owned(),
        }],
    };
    assert_eq!(model(&[report]).reason, Reason::ModelKeyRefused);
    assert_eq!(model(&[]).reason, Reason::Unknown);
}

#[test]
fn only_those_who_tell_and_read_events_know_kafka() {
    let spec = json!({
        "llm": {"provider": "Echo"},
        "kafka": {"external": {"bootstrapServers": ["k0:9093", "k1:9093"], "secretName": "events"}},
    });
    let facts = facts_with(spec, &[("events", &[("username", "u"), ("password", "p")])]);
    for workload in Workload::ALL {
        let container = container(&built(workload, &facts));
        let servers = variable(&container, "CHATBOT_KAFKA_BOOTSTRAP_SERVERS");
        if !uses_kafka(workload) {
            assert_eq!(servers, Value::Null, "{workload}");
            continue;
        }
        assert_eq!(servers, "k0:9093,k1:9093");
        assert_eq!(variable(&container, "CHATBOT_KAFKA_TLS"), "true");
        assert_eq!(
            variable(&container, "CHATBOT_KAFKA_MECHANISM"),
            "SCRAM-SHA-512"
        );
        assert_eq!(
            variable(&container, "CHATBOT_KAFKA_TOPIC_PREFIX"),
            "chatbot"
        );
        assert_eq!(variable(&container, "CHATBOT_KAFKA_USER"), "u");
        let file = variable(&container, "CHATBOT_KAFKA_PASSWORD_FILE");
        assert!(file.as_str().unwrap().ends_with("/password"), "{file}");
    }
}

#[test]
fn the_user_workload_alone_knows_the_mail_server() {
    let spec = json!({
        "llm": {"provider": "Echo"},
        "mail": {"host": "mail.example.org", "from": "chat@example.org", "secretName": "mail"},
    });
    let without = facts(spec.clone());
    let problem = WorkloadComponent(Workload::User)
        .validate(&without)
        .unwrap_err();
    assert_eq!(problem.reason, Reason::SecretMissing);
    let facts = facts_with(spec, &[("mail", &[("username", "u"), ("password", "p")])]);
    for workload in Workload::ALL {
        let container = container(&built(workload, &facts));
        let host = variable(&container, "CHATBOT_MAIL_HOST");
        if workload != Workload::User {
            assert_eq!(host, Value::Null, "{workload}");
            continue;
        }
        assert_eq!(host, "mail.example.org");
        assert_eq!(variable(&container, "CHATBOT_MAIL_TLS"), "starttls");
        assert_eq!(
            variable(&container, "CHATBOT_MAIL_FROM"),
            "chat@example.org"
        );
        assert_eq!(variable(&container, "CHATBOT_MAIL_USER"), "u");
        let file = variable(&container, "CHATBOT_MAIL_PASSWORD_FILE");
        assert!(file.as_str().unwrap().ends_with("/password"), "{file}");
    }
}

#[test]
fn storage_alone_knows_where_webhooks_may_be() {
    let spec = |network| {
        json!({
            "llm": {"provider": "Echo"},
            "webhooks": {"allowedNetworks": ["10.20.0.0/16", network], "allowHttp": true},
        })
    };
    let allowed = facts(spec("fd00:20::/32"));
    for workload in Workload::ALL {
        let container = container(&built(workload, &allowed));
        let networks = variable(&container, "CHATBOT_WEBHOOKS_ALLOWED_NETWORKS");
        let http = variable(&container, "CHATBOT_WEBHOOKS_ALLOW_HTTP");
        if workload == Workload::Storage {
            assert_eq!(networks, "10.20.0.0/16,fd00:20::/32");
            assert_eq!(http, "true");
        } else {
            assert_eq!((networks, http), (Value::Null, Value::Null), "{workload}");
        }
    }
    let storage = WorkloadComponent(Workload::Storage);
    let problem = storage.validate(&facts(spec("10.0.0.0/33"))).unwrap_err();
    assert_eq!(problem.reason, Reason::InvalidSpec);
    assert!(
        problem.message.contains("10.0.0.0/33"),
        "{}",
        problem.message
    );
}

/// A spec whose five servers are somebody else's, each behind TLS.
fn behind_tls(ca: &str) -> Value {
    json!({
        "llm": {"provider": "Echo"},
        "mysql": {"external": {"host": "db", "secretName": "a", "tls": "Verified", "ca": {"secretName": ca}}},
        "redis": {"external": {"host": "cache", "secretName": "a", "tls": true, "ca": {"secretName": ca}}},
        "kafka": {"external": {"bootstrapServers": ["k:9093"], "secretName": "a", "ca": {"secretName": ca}}},
        "documents": {"external": {"hosts": ["d:27017"], "secretName": "a", "ca": {"secretName": ca}}},
        "mail": {"host": "mail", "from": "chat@example.org", "ca": {"secretName": ca, "key": "roots.pem"}},
    })
}

fn with_authority(pem: &str) -> Facts {
    let account: &[(&str, &str)] = &[("username", "u"), ("password", "p")];
    let roots: &[(&str, &str)] = &[("ca.crt", pem), ("roots.pem", pem)];
    facts_with(behind_tls("roots"), &[("a", account), ("roots", roots)])
}

#[test]
fn an_authority_is_a_file_of_those_who_connect_to_its_server() {
    let facts = with_authority(AUTHORITY);
    for (workload, files) in [
        (Workload::Gateway, vec!["REDIS", "KAFKA"]),
        (Workload::Chat, vec!["REDIS"]),
        (Workload::User, vec!["REDIS", "MYSQL", "MAIL"]),
        (
            Workload::Storage,
            vec!["REDIS", "MYSQL", "KAFKA", "DOCUMENTS"],
        ),
    ] {
        let children = built(workload, &facts);
        let container = container(&children);
        for server in ["REDIS", "MYSQL", "KAFKA", "DOCUMENTS", "MAIL"] {
            let file = variable(&container, &format!("CHATBOT_{server}_CA_FILE"));
            if !files.contains(&server) {
                assert_eq!(file, Value::Null, "{workload} {server}");
                continue;
            }
            let key = if server == "MAIL" {
                "roots.pem"
            } else {
                "ca.crt"
            };
            let file = file.as_str().unwrap();
            let (folder, name) = file.rsplit_once('/').unwrap();
            assert_eq!(name, key);
            let mounts = container["volumeMounts"].as_array().unwrap();
            let mount = mounts.iter().find(|mount| mount["mountPath"] == folder);
            let volume = &mount.unwrap()["name"];
            let pod = &of_kind(&children, "Deployment")["spec"]["template"]["spec"];
            let volumes = pod["volumes"].as_array().unwrap();
            let volume = volumes.iter().find(|found| found["name"] == *volume);
            let secret = &volume.unwrap()["secret"];
            assert_eq!(secret["secretName"], "roots");
            let items = secret["items"].as_array().unwrap();
            assert_eq!(items.iter().filter(|item| item["key"] == key).count(), 1);
        }
    }
    let storage = container(&built(Workload::Storage, &facts));
    assert_eq!(variable(&storage, "CHATBOT_MYSQL_TLS"), "verified");
    assert_eq!(variable(&storage, "CHATBOT_REDIS_TLS"), "true");
}

#[test]
fn a_new_authority_rolls_the_pods_that_use_it() {
    let hash = |pem: &str, workload| {
        of_kind(&built(workload, &with_authority(pem)), "Deployment")["spec"]["template"]["metadata"]
            ["annotations"][labels::CONFIG_HASH]
            .clone()
    };
    let two = format!("{AUTHORITY}{AUTHORITY}");
    for workload in Workload::ALL {
        assert_eq!(hash(AUTHORITY, workload), hash(AUTHORITY, workload));
        assert_ne!(hash(AUTHORITY, workload), hash(&two, workload));
    }
}

#[test]
fn an_authority_that_is_none_holds_up_those_who_need_it_and_leaves_their_pods() {
    let broken = with_authority("-----BEGIN CERTIFICATE-----\n");
    for workload in Workload::ALL {
        let problem = WorkloadComponent(workload).validate(&broken).unwrap_err();
        assert_eq!(problem.reason, Reason::CertificateInvalid);
        assert!(problem.message.contains("Secret roots"), "{problem}");
    }
    let facts = facts(behind_tls("nowhere"));
    let wanted = WorkloadComponent(Workload::User).references(&facts.spec);
    assert!(wanted.secrets.iter().any(|secret| secret == "nowhere"));
    assert_eq!(
        WorkloadComponent(Workload::User)
            .validate(&facts)
            .unwrap_err()
            .reason,
        Reason::SecretMissing
    );
}
