//! The SMTP server that somebody else runs: nothing is made, and its health is what the user workload reports of it.
//! Nothing waits for it: without it mails stay in the database.

use chatbot_contract::Workload;
use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_crds::{ChatbotDeploymentSpec, conditions};

use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::mail::{self, Mail};
use crate::names;
use crate::reason::{Problem, Reason};
use crate::reports::{self, Reasons};

/// The component.
pub struct MailServer;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    host: String,
}

impl Component for MailServer {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::MAIL
    }

    fn condition(&self) -> &'static str {
        conditions::MAIL_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        None
    }

    fn wanted(&self, spec: &ChatbotDeploymentSpec) -> bool {
        spec.mail.is_some()
    }

    fn optional(&self) -> bool {
        true
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        References {
            secrets: mail::secret(spec).into_iter().collect(),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        Ok(Plan {
            host: Mail::of(facts)?.map_or_else(String::new, |mail| mail.host),
        })
    }

    fn needs(&self, _: &Plan, _: &Facts, _: &Live) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, _: &Plan) -> Vec<Child> {
        Vec::new()
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let user = scene.live.pods(Workload::User.name());
        let running = reports::ask(&scene.context.http, &user).await;
        let mut observation = observe(&plan.host, &running);
        observation.look_again = Some(reports::INTERVAL);
        Ok(observation)
    }
}

fn observe(host: &str, running: &[Report]) -> Observation {
    let seen = reports::dependency(running, DependencyName::Mail);
    let Some(seen) = seen.filter(|seen| seen.state != DependencyState::Unknown) else {
        return Observation::new(Reason::Unknown, format!("{host} was not tried yet"));
    };
    let reasons = Reasons {
        unreachable: Reason::MailUnreachable,
        refused: Reason::MailRefused,
        failing: Reason::MailFailing,
    };
    Observation::new(reasons.of(seen.state), seen.message)
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
            "mail": {"host": "mail.example.org", "from": "chat@example.org", "secretName": "mail"},
        })
    }

    #[test]
    fn it_is_as_the_user_workload_sees_it() {
        for (state, reason) in [
            (DependencyState::Ok, Reason::Ready),
            (DependencyState::Unreachable, Reason::MailUnreachable),
            (DependencyState::Refused, Reason::MailRefused),
            (DependencyState::Failing, Reason::MailFailing),
            (DependencyState::Unknown, Reason::Unknown),
        ] {
            let report = Report {
                dependencies: vec![Dependency {
                    name: DependencyName::Mail,
                    state,
                    message: "said".to_owned(),
                }],
            };
            assert_eq!(observe("mail.example.org", &[report]).reason, reason);
        }
        assert_eq!(observe("mail.example.org", &[]).reason, Reason::Unknown);
    }

    #[test]
    fn a_secret_without_the_account_is_told() {
        let problem = MailServer.validate(&facts(spec())).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretMissing);
        let half = facts_with(spec(), &[("mail", &[("username", "u")])]);
        let problem = MailServer.validate(&half).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretKeyMissing);
    }

    #[test]
    fn it_is_asked_for_by_the_spec_alone() {
        assert!(MailServer.wanted(&facts(spec()).spec));
        assert!(!MailServer.wanted(&facts(json!({"llm": {"provider": "Echo"}})).spec));
    }
}
