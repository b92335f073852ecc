//! A MySQL server that somebody else runs: nothing is made, and its health is what the workloads
//! and the migration report of it.

use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_contract::{Workload, mysql};
use chatbot_crds::{ChatbotDeploymentSpec, conditions};

use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::components::migration::{mysql_reason, reported};
use crate::database::{self, Account, Database};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::names;
use crate::reason::{Problem, Reason};
use crate::reports;

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
            secrets: database::secret(spec).into_iter().collect(),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        Account::of(facts, mysql::MIGRATE_ACCOUNT)?;
        Ok(Plan {
            host: Database::of(facts).hosts.join(","),
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
        let migrating: Vec<Report> = scene
            .live
            .pods(names::MIGRATION)
            .into_iter()
            .filter_map(reported)
            .collect();
        let mut observation = observe(&plan.host, &running, &migrating, scene.facts);
        observation.look_again = Some(reports::INTERVAL);
        Ok(observation)
    }
}

/// What is known of the server: the running workloads know best, then the migration, then what was
/// known before.
fn observe(host: &str, running: &[Report], migrating: &[Report], facts: &Facts) -> Observation {
    if let Some(seen) = reports::dependency(running, DependencyName::Mysql) {
        if seen.state == DependencyState::Ok {
            return Observation::new(Reason::Ready, format!("{host} serves"));
        }
        let report = Report {
            dependencies: vec![seen],
        };
        if let Some((reason, message)) = mysql_reason(&report) {
            return Observation::new(reason, format!("{host}: {message}"));
        }
    }
    if let Some((reason, message)) = migrating.iter().find_map(mysql_reason) {
        return Observation::new(reason, format!("{host}: {message}"));
    }
    if facts.condition_is_true(conditions::SCHEMA_READY) {
        return Observation::new(Reason::Ready, format!("{host} took the migration"));
    }
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
