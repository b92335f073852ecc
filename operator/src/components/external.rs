//! Servers that somebody else runs and nothing waits for: nothing is made, and their health is what the workloads report.

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

/// The component of one such server.
#[derive(Clone, Copy)]
pub struct External {
    name: &'static str,
    condition: &'static str,
    wanted: fn(&ChatbotDeploymentSpec) -> bool,
    secret: fn(&ChatbotDeploymentSpec) -> Option<String>,
    /// Where it is, for a person.
    place: fn(&Facts) -> Result<Option<String>, Problem>,
    reported: Reported,
}

/// How a server is, in the eyes of the workloads that use it.
#[derive(Clone, Copy)]
pub(crate) struct Reported {
    dependency: DependencyName,
    reasons: Reasons,
    /// Who is asked: the first of these that answers.
    askers: &'static [Workload],
    /// Whether what the workload says of it begins with where it is.
    says_where: bool,
}

/// Kafka: without it events stay in the outbox.
pub(crate) const KAFKA: Reported = Reported {
    dependency: DependencyName::Kafka,
    reasons: Reasons {
        unreachable: Reason::KafkaUnreachable,
        refused: Reason::KafkaRefused,
        failing: Reason::KafkaFailing,
    },
    // Storage writes, and knows more than the gateway, which only reads.
    askers: &[Workload::Storage, Workload::Gateway],
    says_where: false,
};

/// The document store: without it archives wait in Kafka.
pub(crate) const DOCUMENTS: Reported = Reported {
    dependency: DependencyName::Documents,
    reasons: Reasons {
        unreachable: Reason::DocumentsUnreachable,
        refused: Reason::DocumentsRefused,
        failing: Reason::DocumentsFailing,
    },
    askers: &[Workload::Storage],
    says_where: false,
};

/// The SMTP server: without it mails stay in the database.
pub const MAIL: External = External {
    name: names::MAIL,
    condition: conditions::MAIL_READY,
    wanted: |spec| spec.mail.is_some(),
    secret: mail::secret,
    place: |facts| Ok(Mail::of(facts)?.map(|mail| mail.host)),
    reported: Reported {
        dependency: DependencyName::Mail,
        reasons: Reasons {
            unreachable: Reason::MailUnreachable,
            refused: Reason::MailRefused,
            failing: Reason::MailFailing,
        },
        askers: &[Workload::User],
        says_where: true,
    },
};

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    place: String,
}

impl Component for External {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        self.name
    }

    fn condition(&self) -> &'static str {
        self.condition
    }

    fn status_field(&self) -> Option<&'static str> {
        None
    }

    fn wanted(&self, spec: &ChatbotDeploymentSpec) -> bool {
        (self.wanted)(spec)
    }

    fn optional(&self) -> bool {
        true
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        References {
            secrets: (self.secret)(spec).into_iter().collect(),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        Ok(Plan {
            place: (self.place)(facts)?.unwrap_or_default(),
        })
    }

    fn needs(&self, _: &Plan, _: &Facts, _: &Live) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, _: &Plan) -> Vec<Child> {
        Vec::new()
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        Ok(self.reported.observe(&plan.place, scene).await)
    }
}

impl Reported {
    /// Asks the workloads.
    pub(crate) async fn observe(&self, place: &str, scene: &Scene<'_>) -> Observation {
        let mut running = Vec::new();
        for asked in self.askers {
            let pods = scene.live.pods(asked.name());
            running = reports::ask(&scene.context.http, &pods).await;
            if !running.is_empty() {
                break;
            }
        }
        let mut observation = self.seen(place, &running);
        observation.look_again = Some(reports::INTERVAL);
        observation
    }

    fn seen(&self, place: &str, running: &[Report]) -> Observation {
        let seen = reports::dependency(running, self.dependency);
        let Some(seen) = seen.filter(|seen| seen.state != DependencyState::Unknown) else {
            return Observation::new(Reason::Unknown, format!("{place} was not tried yet"));
        };
        let message = if self.says_where {
            seen.message
        } else {
            format!("{place}: {}", seen.message)
        };
        Observation::new(self.reasons.of(seen.state), message)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use chatbot_contract::report::Dependency;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{facts, facts_with};

    /// Each with a spec that asks for it, and the Secret which that names.
    fn all() -> [(External, Value, &'static str); 1] {
        let mail =
            json!({"host": "mail.example.org", "from": "chat@example.org", "secretName": "mail"});
        let llm = json!({"provider": "Echo"});
        [(MAIL, json!({"llm": llm, "mail": mail}), "mail")]
    }

    fn report(name: DependencyName, state: DependencyState) -> Report {
        Report {
            dependencies: vec![Dependency {
                name,
                state,
                message: "said".to_owned(),
            }],
        }
    }

    #[test]
    fn it_is_as_the_workloads_see_it() {
        for (reported, reasons) in [
            (
                KAFKA,
                [
                    Reason::KafkaUnreachable,
                    Reason::KafkaRefused,
                    Reason::KafkaFailing,
                ],
            ),
            (
                MAIL.reported,
                [
                    Reason::MailUnreachable,
                    Reason::MailRefused,
                    Reason::MailFailing,
                ],
            ),
        ] {
            let [unreachable, refused, failing] = reasons;
            for (state, reason) in [
                (DependencyState::Ok, Reason::Ready),
                (DependencyState::Unreachable, unreachable),
                (DependencyState::Refused, refused),
                (DependencyState::Failing, failing),
                (DependencyState::Unknown, Reason::Unknown),
            ] {
                let running = [report(reported.dependency, state)];
                assert_eq!(reported.seen("there", &running).reason, reason);
            }
            assert_eq!(reported.seen("there", &[]).reason, Reason::Unknown);
        }
    }

    #[test]
    fn its_place_is_told_once() {
        for (reported, message) in [(KAFKA, "there: said"), (MAIL.reported, "said")] {
            let running = [report(reported.dependency, DependencyState::Failing)];
            assert_eq!(reported.seen("there", &running).message, message);
        }
    }

    #[test]
    fn a_secret_without_the_account_is_told() {
        for (external, spec, secret) in all() {
            let problem = external.validate(&facts(spec.clone())).unwrap_err();
            assert_eq!(problem.reason, Reason::SecretMissing);
            let half = facts_with(spec, &[(secret, &[("username", "u")])]);
            let problem = external.validate(&half).unwrap_err();
            assert_eq!(problem.reason, Reason::SecretKeyMissing);
        }
    }

    #[test]
    fn it_is_asked_for_by_the_spec_alone() {
        for (external, spec, _) in all() {
            assert!(external.wanted(&facts(spec).spec));
            assert!(!external.wanted(&facts(json!({"llm": {"provider": "Echo"}})).spec));
        }
    }
}
