//! Sums up what the components say: `Ready`, `Reconciling`, `Stalled`, `Degraded`, `waitingFor`.
//!
//! The form is kstatus', so that `kubectl wait`, Flux and Argo CD understand it: at most one of
//! `Reconciling` and `Stalled` is true, and both are false when `Ready` is true. `Degraded` stands
//! beside them: what the system does without for a while makes it no less ready.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chatbot_crds::{ChatbotDeployment, ChatbotDeploymentSpec, conditions};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use serde_json::{Map, json};

use crate::context::Context;
use crate::controller::Reconciler;
use crate::facts::References;
use crate::names;
use crate::outcome::{Ended, Outcome};
use crate::pipeline::skipped;
use crate::reason::{Class, Problem, Reason};
use crate::status::{Statement, Verdict, Writer};

/// The reconciler that sums up.
pub struct Summary {
    writer: Writer,
    expected: Vec<Expected>,
    dispensable: Vec<Expected>,
}

/// A condition that must be true for the whole to be ready, in the order of need.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Type of the condition.
    pub condition: &'static str,
    /// The name that people know.
    pub name: &'static str,
}

/// The whole in one verdict.
#[derive(Clone, Debug, PartialEq)]
struct Whole {
    reason: Reason,
    message: String,
    waiting_for: Vec<String>,
}

impl Summary {
    /// A summary of these conditions: those that must be true, and those that need not.
    #[must_use]
    pub fn new(client: kube::Client, expected: Vec<Expected>, dispensable: Vec<Expected>) -> Self {
        Self {
            writer: Writer::new(client, names::SUMMARY),
            expected,
            dispensable,
        }
    }
}

impl Reconciler for Summary {
    fn name(&self) -> &'static str {
        names::SUMMARY
    }

    fn writes(&self) -> Vec<&'static str> {
        vec![
            conditions::READY,
            conditions::RECONCILING,
            conditions::STALLED,
            conditions::DEGRADED,
        ]
    }

    fn sums_up(&self) -> bool {
        true
    }

    fn references(&self, _: &ChatbotDeploymentSpec) -> References {
        References::default()
    }

    async fn reconcile(&self, context: &Context, object: Arc<ChatbotDeployment>) -> Ended {
        if !context.leadership.holds() {
            return skipped("not the leader");
        }
        if object.meta().deletion_timestamp.is_some() {
            return skipped("being deleted");
        }
        let whole = sum_up(&object, &self.expected);
        let mut statement = statement(&object, &whole);
        statement
            .verdicts
            .push(degraded(&object, &self.dispensable));
        let (outcome, news) = match self.writer.write(&object, &statement).await {
            Ok(news) => (outcome(&whole), news),
            Err(error) => (Outcome::Failed(error), Vec::new()),
        };
        // The components have told the rest in Events of their own.
        let news = news
            .into_iter()
            .filter(|verdict| verdict.type_ == conditions::READY && verdict.status == "True")
            .collect();
        Ended {
            outcome,
            news,
            notices: Vec::new(),
            look_again: Duration::from_secs(300),
        }
    }

    fn retain(&self, uids: &HashSet<String>) {
        self.writer.retain(uids);
    }
}

fn outcome(whole: &Whole) -> Outcome {
    match whole.reason.class() {
        Class::Ready => Outcome::Unchanged,
        Class::Progressing => Outcome::Waiting(whole.message.clone()),
        Class::Stalled => Outcome::Blocked(Problem::new(whole.reason, whole.message.clone())),
    }
}

fn statement(object: &ChatbotDeployment, whole: &Whole) -> Statement {
    let Whole {
        reason,
        message,
        waiting_for,
    } = whole;
    let ready = Verdict::of(conditions::READY, *reason, message);
    let (reconciling, stalled) = match reason.class() {
        Class::Ready => ("False", "False"),
        Class::Progressing => ("True", "False"),
        Class::Stalled => ("False", "True"),
    };
    let further = |type_, status| Verdict {
        type_,
        status,
        reason: reason.to_string(),
        message: message.clone(),
    };
    let mut fields = Map::new();
    fields.insert(
        "observedGeneration".to_owned(),
        json!(object.meta().generation),
    );
    if !waiting_for.is_empty() {
        fields.insert("waitingFor".to_owned(), json!(waiting_for));
    }
    Statement {
        verdicts: vec![
            ready,
            further(conditions::RECONCILING, reconciling),
            further(conditions::STALLED, stalled),
        ],
        fields,
    }
}

/// What is missing that the system does without.
fn degraded(object: &ChatbotDeployment, dispensable: &[Expected]) -> Verdict {
    let present = object.status.as_ref().map(|status| &status.conditions);
    let missing: Vec<(&str, String)> = dispensable
        .iter()
        .filter_map(|Expected { condition, name }| {
            let found = present?.iter().find(|found| found.type_ == *condition)?;
            let text = format!("{name}: {}", found.message);
            (found.status == "False").then_some((found.reason.as_str(), text))
        })
        .collect();
    let (status, reason, message) = match missing.first() {
        None => (
            "False",
            Reason::Ready.to_string(),
            "nothing is missing".to_owned(),
        ),
        Some((reason, _)) => {
            let texts: Vec<_> = missing.iter().map(|(_, text)| text.as_str()).collect();
            ("True", (*reason).to_owned(), texts.join("; "))
        }
    };
    Verdict {
        type_: conditions::DEGRADED,
        status,
        reason,
        message,
    }
}

/// One verdict on all: what stalls comes before what is still moving, and of each the first in the
/// order of need, since it is what the others wait for.
fn sum_up(object: &ChatbotDeployment, expected: &[Expected]) -> Whole {
    if object.spec.paused {
        return Whole {
            reason: Reason::Paused,
            message: "paused: the operator changes nothing until spec.paused is false".to_owned(),
            waiting_for: Vec::new(),
        };
    }
    let present = object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let generation = object.meta().generation;
    let open: Vec<(Reason, String)> = expected
        .iter()
        .filter_map(|expected| missing(expected, present, generation))
        .collect();
    let first = |class| open.iter().find(|(reason, _)| reason.class() == class);
    let (reason, message) = first(Class::Stalled)
        .or_else(|| first(Class::Progressing))
        .cloned()
        .unwrap_or_else(|| (Reason::Ready, "everything serves".to_owned()));
    Whole {
        reason,
        message,
        waiting_for: open.into_iter().map(|(_, message)| message).collect(),
    }
}

/// What a condition lacks to be true for this generation.
fn missing(
    expected: &Expected,
    present: &[Condition],
    generation: Option<i64>,
) -> Option<(Reason, String)> {
    let Expected { condition, name } = expected;
    let Some(found) = present.iter().find(|present| present.type_ == *condition) else {
        // The model is told by the chat workload once it runs, and by no one before.
        return (*condition != conditions::MODEL_READY)
            .then(|| (Reason::Starting, format!("{name}: not begun")));
    };
    if found.observed_generation < generation {
        return Some((
            Reason::RollingOut,
            format!("{name}: the newest spec is yet to be looked at"),
        ));
    }
    if found.status == "True" {
        return None;
    }
    let reason = found.reason.parse().unwrap_or(Reason::Starting);
    // A model that nobody asked anything yet holds nothing up.
    (reason != Reason::Unknown || *condition != conditions::MODEL_READY)
        .then(|| (reason, format!("{name}: {}", found.message)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::Value;

    use super::*;

    const EXPECTED: [Expected; 3] = [
        Expected {
            condition: conditions::MYSQL_READY,
            name: "mysql",
        },
        Expected {
            condition: conditions::CHAT_READY,
            name: "chat",
        },
        Expected {
            condition: conditions::MODEL_READY,
            name: "model",
        },
    ];

    fn object(conditions: &[(&str, Reason, &str, i64)]) -> ChatbotDeployment {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, reason, message, generation)| {
                let verdict = Verdict::of(conditions::READY, *reason, message);
                json!({
                    "type": type_, "status": verdict.status, "reason": verdict.reason,
                    "message": message, "observedGeneration": generation,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                })
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "chatbot.rs/v1alpha1", "kind": "ChatbotDeployment",
            "metadata": {"name": "shop", "generation": 2},
            "spec": {"llm": {"provider": "Echo"}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn it_is_ready_when_every_condition_is_true_for_the_newest_generation() {
        let object = object(&[
            ("MysqlReady", Reason::Ready, "", 2),
            ("ChatReady", Reason::Ready, "", 2),
            ("ModelReady", Reason::Unknown, "not tried yet", 2),
        ]);
        let whole = sum_up(&object, &EXPECTED);
        assert_eq!(whole.reason, Reason::Ready);
        assert_eq!(whole.waiting_for, Vec::<String>::new());
    }

    #[test]
    fn a_condition_of_an_older_generation_does_not_count() {
        let object = object(&[
            ("MysqlReady", Reason::Ready, "", 2),
            ("ChatReady", Reason::Ready, "", 1),
        ]);
        let whole = sum_up(&object, &EXPECTED);
        assert_eq!(whole.reason, Reason::RollingOut);
    }

    #[test]
    fn what_stalls_is_told_before_what_waits_for_it() {
        let object = object(&[
            ("MysqlReady", Reason::WaitingForDependency, "waiting", 2),
            (
                "ChatReady",
                Reason::SecretMissing,
                "Secret groq does not exist",
                2,
            ),
        ]);
        let whole = sum_up(&object, &EXPECTED);
        assert_eq!(whole.reason, Reason::SecretMissing);
        assert_eq!(whole.message, "chat: Secret groq does not exist");
        assert_eq!(
            whole.waiting_for,
            ["mysql: waiting", "chat: Secret groq does not exist"]
        );
    }

    #[test]
    fn at_most_one_of_reconciling_and_stalled_is_true() {
        for reason in [Reason::Ready, Reason::Starting, Reason::SecretMissing] {
            let whole = Whole {
                reason,
                message: String::new(),
                waiting_for: Vec::new(),
            };
            let verdicts = statement(&object(&[]), &whole).verdicts;
            let true_ones = verdicts
                .iter()
                .filter(|verdict| verdict.status == "True")
                .count();
            assert_eq!(true_ones, 1, "{reason}");
        }
    }

    #[test]
    fn without_kafka_it_is_degraded_and_ready() {
        let object = object(&[
            ("MysqlReady", Reason::Ready, "", 2),
            ("ChatReady", Reason::Ready, "", 2),
            ("KafkaReady", Reason::KafkaUnreachable, "no answer", 2),
        ]);
        let kafka = [Expected {
            condition: conditions::KAFKA_READY,
            name: "kafka",
        }];
        assert_eq!(sum_up(&object, &EXPECTED).reason, Reason::Ready);
        let verdict = degraded(&object, &kafka);
        assert_eq!(
            (verdict.status, verdict.reason.as_str()),
            ("True", "KafkaUnreachable")
        );
        assert_eq!(verdict.message, "kafka: no answer");
        assert_eq!(degraded(&object, &EXPECTED).status, "False");
    }

    #[test]
    fn what_nobody_asked_for_or_tried_is_not_missing() {
        let kafka = [Expected {
            condition: conditions::KAFKA_READY,
            name: "kafka",
        }];
        assert_eq!(degraded(&object(&[]), &kafka).status, "False");
        let untried = object(&[("KafkaReady", Reason::Unknown, "not tried yet", 2)]);
        assert_eq!(degraded(&untried, &kafka).status, "False");
    }

    #[test]
    fn a_paused_one_says_so() {
        let mut object = object(&[]);
        object.spec.paused = true;
        assert_eq!(sum_up(&object, &EXPECTED).reason, Reason::Paused);
    }

    #[test]
    fn a_model_that_refuses_the_key_is_not_ready() {
        let object = object(&[
            ("MysqlReady", Reason::Ready, "", 2),
            ("ChatReady", Reason::Ready, "", 2),
            (
                "ModelReady",
                Reason::ModelKeyRefused,
                "the key is refused",
                2,
            ),
        ]);
        assert_eq!(sum_up(&object, &EXPECTED).reason, Reason::ModelKeyRefused);
    }
}
