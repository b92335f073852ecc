//! A Kafka cluster that somebody else runs: nothing is made, and its health is what the workloads
//! report of it. Nothing waits for it: without Kafka events stay in the outbox.

use chatbot_contract::Workload;
use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_crds::{ChatbotDeploymentSpec, conditions};

use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::facts::{Facts, References};
use crate::kafka::{self, Kafka};
use crate::live::Live;
use crate::names;
use crate::reason::{Problem, Reason};
use crate::reports::{self, Reasons};

/// The component.
pub struct ExternalKafka;

/// Where the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    servers: String,
}

impl Component for ExternalKafka {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::KAFKA
    }

    fn condition(&self) -> &'static str {
        conditions::KAFKA_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        None
    }

    fn wanted(&self, spec: &ChatbotDeploymentSpec) -> bool {
        spec.kafka.is_some()
    }

    fn optional(&self) -> bool {
        true
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        References {
            secrets: kafka::secret(spec).into_iter().collect(),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        Ok(Plan {
            servers: Kafka::of(facts)?.map_or_else(String::new, |kafka| kafka.servers),
        })
    }

    fn needs(&self, _: &Plan, _: &Facts, _: &Live) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, _: &Plan) -> Vec<Child> {
        Vec::new()
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        // Storage writes, and knows more than the gateway, which only reads.
        let storage = scene.live.pods(Workload::Storage.name());
        let mut running = reports::ask(&scene.context.http, &storage).await;
        if running.is_empty() {
            let gateway = scene.live.pods(Workload::Gateway.name());
            running = reports::ask(&scene.context.http, &gateway).await;
        }
        let mut observation = observe(&plan.servers, &running);
        observation.look_again = Some(reports::INTERVAL);
        Ok(observation)
    }
}

fn observe(servers: &str, running: &[Report]) -> Observation {
    let seen = reports::dependency(running, DependencyName::Kafka);
    let Some(seen) = seen.filter(|seen| seen.state != DependencyState::Unknown) else {
        return Observation::new(Reason::Unknown, format!("{servers} was not tried yet"));
    };
    let reasons = Reasons {
        unreachable: Reason::KafkaUnreachable,
        refused: Reason::KafkaRefused,
        failing: Reason::KafkaFailing,
    };
    Observation::new(
        reasons.of(seen.state),
        format!("{servers}: {}", seen.message),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use chatbot_contract::report::Dependency;
    use serde_json::json;

    use super::*;
    use crate::testing::{facts, facts_with};

    fn spec() -> serde_json::Value {
        json!({
            "llm": {"provider": "Echo"},
            "kafka": {"external": {"bootstrapServers": ["k0:9093", "k1:9093"], "secretName": "events"}},
        })
    }

    #[test]
    fn it_is_as_the_workloads_see_it() {
        for (state, reason) in [
            (DependencyState::Ok, Reason::Ready),
            (DependencyState::Unreachable, Reason::KafkaUnreachable),
            (DependencyState::Refused, Reason::KafkaRefused),
            (DependencyState::Failing, Reason::KafkaFailing),
            (DependencyState::Unknown, Reason::Unknown),
        ] {
            let report = Report {
                dependencies: vec![Dependency {
                    name: DependencyName::Kafka,
                    state,
                    message: "said".to_owned(),
                }],
            };
            assert_eq!(observe("k0:9093", &[report]).reason, reason);
        }
        assert_eq!(observe("k0:9093", &[]).reason, Reason::Unknown);
    }

    #[test]
    fn a_secret_without_the_account_is_told() {
        let problem = ExternalKafka.validate(&facts(spec())).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretMissing);
        let half = facts_with(spec(), &[("events", &[("username", "u")])]);
        let problem = ExternalKafka.validate(&half).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretKeyMissing);
    }

    #[test]
    fn it_is_asked_for_by_the_spec_alone() {
        assert!(ExternalKafka.wanted(&facts(spec()).spec));
        assert!(!ExternalKafka.wanted(&facts(json!({"llm": {"provider": "Echo"}})).spec));
    }
}
