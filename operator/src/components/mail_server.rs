//! The SMTP server, which somebody else runs and nothing waits for: nothing is made.

use chatbot_contract::Workload;
use chatbot_contract::report::DependencyName;
use chatbot_crds::{ChatbotDeploymentSpec, conditions};

use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::mail::{self, Mail};
use crate::names;
use crate::reason::{Problem, Reason};
use crate::reports::{Reasons, Reported};

/// Without it mails stay in the database.
pub(crate) const MAIL: Reported = Reported {
    dependency: DependencyName::Mail,
    reasons: Reasons {
        unreachable: Reason::MailUnreachable,
        refused: Reason::MailRefused,
        failing: Reason::MailFailing,
    },
    askers: &[&[Workload::User]],
    says_where: true,
};

/// The SMTP server, where the spec names one.
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
            secrets: mail::secrets(spec),
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        let host = Mail::of(facts)?.map(|mail| mail.host);
        Ok(Plan {
            host: host.unwrap_or_default(),
        })
    }

    fn needs(&self, _: &Plan, _: &Facts, _: &Live) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, _: &Plan) -> Vec<Child> {
        Vec::new()
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        Ok(MAIL.observe(&plan.host, scene).await)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{facts, facts_with};

    fn spec() -> Value {
        let mail =
            json!({"host": "mail.example.org", "from": "chat@example.org", "secretName": "mail"});
        json!({"llm": {"provider": "Echo"}, "mail": mail})
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
        let none = facts(json!({"llm": {"provider": "Echo"}}));
        assert!(!MailServer.wanted(&none.spec));
    }
}
