//! A MySQL server that somebody else runs: nothing is made, and its health is what the workloads
//! and the migration report of it.

use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_contract::{Workload, mysql};
use chatbot_crds::{ChatbotDeploymentSpec, conditions};

use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::components::migration::last_words;
use crate::database::{self, Database};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::names;
use crate::reason::{Problem, Reason};
use crate::reports::{self, Reasons};

/// The component.
pub struct ExternalMysql;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    host: String,
}

impl Component for ExternalMysql {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::MYSQL
    }

    fn condition(&self) -> &'static str {
        conditions::MYSQL_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        None
    }

    fn wanted(&self, spec: &ChatbotDeploymentSpec) -> bool {
        spec.mysql.external.is_some()
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        References {
            secrets: database::secrets(spec),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        database::account(facts, mysql::MIGRATE_ACCOUNT)?;
        Ok(Plan {
            host: Database::of(facts)?.hosts.join(","),
        })
    }

    fn needs(&self, _: &Plan, _: &Facts, _: &Live) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, _: &Plan) -> Vec<Child> {
        Vec::new()
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let mut pods = scene.live.pods(Workload::User.name());
        pods.extend(scene.live.pods(Workload::Storage.name()));
        let running = reports::ask(&scene.context.http, &pods).await;
        let migrating = scene
            .live
            .pods(names::MIGRATION)
            .into_iter()
            .find_map(last_words);
        let mut observation = observe(&plan.host, &running, migrating, scene.facts);
        observation.look_again = Some(reports::INTERVAL);
        Ok(observation)
    }
}

/// What is known of the server: the running workloads know best, then the migration, then what was
/// known before.
fn observe(
    host: &str,
    running: &[Report],
    migrating: Option<(Reason, String)>,
    facts: &Facts,
) -> Observation {
    if let Some(seen) = reports::dependency(running, DependencyName::Mysql) {
        let reasons = Reasons {
            unreachable: Reason::MysqlUnreachable,
            refused: Reason::MysqlRefused,
            failing: Reason::MysqlFailing,
        };
        if seen.state != DependencyState::Unknown {
            let message = format!("{host}: {}", seen.message);
            return Observation::new(reasons.of(seen.state), message);
        }
    }
    match migrating {
        // It answered, and let the migration in.
        Some((Reason::MigrationFailed, message)) => {
            return Observation::new(Reason::MysqlFailing, format!("{host}: {message}"));
        }
        Some((reason, message)) => {
            return Observation::new(reason, format!("{host}: {message}"));
        }
        None => {}
    }
    if facts.condition_is_true(conditions::SCHEMA_READY) {
        return Observation::new(Reason::Ready, format!("{host} took the migration"));
    }
    // Another attempt after a failure: the failure is the news until one succeeds.
    let known = facts
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::MYSQL_READY)
        .and_then(|condition| Some((condition.reason.parse().ok()?, condition.message.clone())));
    match known {
        Some((
            reason @ (Reason::MysqlUnreachable | Reason::MysqlRefused | Reason::MysqlFailing),
            message,
        )) => Observation::new(reason, message),
        _ => Observation::new(Reason::Unknown, format!("{host} was not tried yet")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use chatbot_contract::report::Dependency;
    use serde_json::json;

    use super::*;
    use crate::testing::facts;

    fn spec() -> Facts {
        facts(json!({
            "llm": {"provider": "Echo"},
            "mysql": {"external": {"host": "db", "secretName": "db"}},
        }))
    }

    fn report(state: DependencyState) -> Report {
        Report {
            dependencies: vec![Dependency {
                name: DependencyName::Mysql,
                state,
                message: "said".to_owned(),
            }],
        }
    }

    #[test]
    fn what_the_workloads_see_now_comes_first() {
        let failed = Some((Reason::MysqlRefused, "denied".to_owned()));
        let seen = observe("db:3306", &[report(DependencyState::Ok)], failed, &spec());
        assert_eq!(seen.reason, Reason::Ready);
        let seen = observe(
            "db:3306",
            &[report(DependencyState::Unreachable)],
            None,
            &spec(),
        );
        assert_eq!(seen.reason, Reason::MysqlUnreachable);
        assert_eq!(seen.message, "db:3306: said");
    }

    #[test]
    fn the_migration_is_the_first_to_notice() {
        let failed = Some((Reason::MysqlRefused, "denied".to_owned()));
        let seen = observe("db:3306", &[], failed, &spec());
        assert_eq!(seen.reason, Reason::MysqlRefused);
    }

    #[test]
    fn nobody_tried_it_yet() {
        assert_eq!(
            observe("db:3306", &[], None, &spec()).reason,
            Reason::Unknown
        );
    }

    #[test]
    fn a_failure_is_the_news_until_an_attempt_succeeds() {
        let mut facts = spec();
        facts.status.conditions = serde_json::from_value(json!([{
            "type": conditions::MYSQL_READY, "status": "False", "reason": "MysqlRefused",
            "message": "denied", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]))
        .unwrap();
        assert_eq!(
            observe("db:3306", &[], None, &facts).reason,
            Reason::MysqlRefused
        );
    }

    #[test]
    fn an_authority_that_is_missing_or_none_is_told() {
        let mut spec = spec();
        let external = spec.spec.mysql.external.as_mut().unwrap();
        external.ca = serde_json::from_value(json!({"secretName": "db"})).unwrap();
        let wanted = ExternalMysql.references(&spec.spec).secrets;
        assert_eq!(wanted, ["db", "db"]);
        for (pem, reason) in [
            (None, Reason::SecretKeyMissing),
            (Some("x"), Reason::CertificateInvalid),
        ] {
            let account = [("username", "u"), ("password", "p")];
            let data = account.into_iter().chain(pem.map(|pem| ("ca.crt", pem)));
            let data = data
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect();
            spec.secrets.insert("db".to_owned(), Some(data));
            assert_eq!(ExternalMysql.validate(&spec).unwrap_err().reason, reason);
        }
    }

    #[test]
    fn a_secret_without_the_account_is_told() {
        let problem = ExternalMysql.validate(&spec()).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretMissing);
    }
}
