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
use crate::pipeline::not_to_touch;
use crate::reason::{Class, Problem, Reason};
use crate::status::{Statement, Verdict, Writer};

/// The reconciler that sums up.
pub struct Summary {
    writer: Writer,
    expected: Vec<Expected>,
}

/// A condition that must be true for the whole to be ready, in the order of need.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Type of the condition.
    pub condition: &'static str,
    /// The name that people know.
    pub name: &'static str,
    /// What users notice when it is lost, where they can be served without it.
    pub without: Option<&'static str>,
}

/// The whole in one verdict.
#[derive(Clone, Debug, PartialEq)]
struct Whole {
    reason: Reason,
    message: String,
    waiting_for: Vec<String>,
    /// What is lost that can be done without, and what users notice; `None` until all was there once: what comes up
    /// for the first time is waited for.
    lost: Option<Vec<String>>,
}

impl Summary {
    /// A summary of these conditions.
    #[must_use]
    pub fn new(client: kube::Client, expected: Vec<Expected>) -> Self {
        Self {
            writer: Writer::new(client, names::SUMMARY),
            expected,
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
        if let Some(ended) = not_to_touch(context, &object) {
            return ended;
        }
        let whole = sum_up(&object, &self.expected);
        let statement = statement(&object, &whole);
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
        lost,
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
    let (degraded, degraded_reason, degraded_message) = match lost.as_deref() {
        None => (
            "Unknown",
            Reason::Unknown,
            "not everything was there yet".to_owned(),
        ),
        Some([]) => ("False", Reason::Ready, "nothing is lost".to_owned()),
        Some(lost) => ("True", Reason::Degraded, lost.join("; ")),
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
            Verdict {
                type_: conditions::DEGRADED,
                status: degraded,
                reason: degraded_reason.to_string(),
                message: degraded_message,
            },
        ],
        fields,
    }
}

/// One verdict on all: what stalls comes before what is still moving, and of each the first in the
/// order of need, since it is what the others wait for.
fn sum_up(object: &ChatbotDeployment, expected: &[Expected]) -> Whole {
    let present = object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let was_whole = present
        .iter()
        .any(|present| present.type_ == conditions::DEGRADED && present.status != "Unknown");
    if object.spec.paused {
        return Whole {
            reason: Reason::Paused,
            message: "paused: the operator changes nothing until spec.paused is false".to_owned(),
            waiting_for: Vec::new(),
            lost: was_whole.then(Vec::new),
        };
    }
    let generation = object.meta().generation;
    let mut open: Vec<(Reason, String)> = Vec::new();
    let mut lost = Vec::new();
    for expected in expected {
        let Some((reason, message)) = missing(expected, present, generation) else {
            continue;
        };
        match expected.without {
            Some(without) if was_whole && reason != Reason::RollingOut => {
                lost.push(format!("{message} ({without})"));
            }
            _ => open.push((reason, message)),
        }
    }
    let first = |class| open.iter().find(|(reason, _)| reason.class() == class);
    let (reason, message) = first(Class::Stalled)
        .or_else(|| first(Class::Progressing))
        .cloned()
        .unwrap_or_else(|| match lost.as_slice() {
            [] => (Reason::Ready, "everything serves".to_owned()),
            lost => (
                Reason::Ready,
                format!("users are served; lost: {}", lost.join("; ")),
            ),
        });
    Whole {
        lost: (was_whole || reason == Reason::Ready).then_some(lost),
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
    let Expected {
        condition,
        name,
        without,
    } = expected;
    let Some(found) = present.iter().find(|present| present.type_ == *condition) else {
        // The model is told by the chat workload once it runs, and by no one before; of what can be done without,
        // nothing is said where it is not asked for.
        return (*condition != conditions::MODEL_READY && without.is_none())
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

    const EXPECTED: [Expected; 4] = [
        Expected {
            condition: conditions::MYSQL_READY,
            name: "mysql",
            without: None,
        },
        Expected {
            condition: conditions::REDIS_READY,
            name: "redis",
            without: Some("limits are local"),
        },
        Expected {
            condition: conditions::CHAT_READY,
            name: "chat",
            without: None,
        },
        Expected {
            condition: conditions::MODEL_READY,
            name: "model",
            without: None,
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
            ("RedisReady", Reason::Ready, "", 2),
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
            ("RedisReady", Reason::Ready, "", 2),
            ("ChatReady", Reason::Ready, "", 1),
        ]);
        let whole = sum_up(&object, &EXPECTED);
        assert_eq!(whole.reason, Reason::RollingOut);
    }

    #[test]
    fn what_stalls_is_told_before_what_waits_for_it() {
        let object = object(&[
            ("MysqlReady", Reason::WaitingForDependency, "waiting", 2),
            ("RedisReady", Reason::Ready, "", 2),
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
                lost: None,
            };
            let verdicts = statement(&object(&[]), &whole).verdicts;
            let true_ones = verdicts
                .iter()
                .filter(|verdict| verdict.status == "True")
                .count();
            assert_eq!(true_ones, 1, "{reason}");
        }
    }

    fn with_redis(reason: Reason, generation: i64, degraded: Reason) -> Whole {
        let object = object(&[
            ("MysqlReady", Reason::Ready, "", 2),
            ("RedisReady", reason, "no member takes writes", generation),
            ("ChatReady", Reason::Ready, "", 2),
            ("Degraded", degraded, "", 1),
        ]);
        sum_up(&object, &EXPECTED)
    }

    #[test]
    fn what_can_be_done_without_is_waited_for_only_until_all_was_there_once() {
        // `Unknown` stands for itself here, and `Degraded` for either of the other two.
        let first = with_redis(Reason::Starting, 2, Reason::Unknown);
        assert_eq!((first.reason, first.lost), (Reason::Starting, None));
        let later = with_redis(Reason::NoPrimary, 2, Reason::Degraded);
        assert_eq!(later.reason, Reason::Ready);
        let lost = "redis: no member takes writes (limits are local)";
        assert_eq!(later.lost, Some(vec![lost.to_owned()]));
        let whole = with_redis(Reason::Ready, 2, Reason::Degraded);
        assert_eq!(
            (whole.reason, whole.lost),
            (Reason::Ready, Some(Vec::new()))
        );
    }

    #[test]
    fn a_new_spec_of_what_can_be_done_without_is_waited_for() {
        let whole = with_redis(Reason::Ready, 1, Reason::Degraded);
        assert_eq!(whole.reason, Reason::RollingOut);
    }

    #[test]
    fn what_nobody_asked_for_is_not_waited_for() {
        let object = object(&[
            ("MysqlReady", Reason::Ready, "", 2),
            ("ChatReady", Reason::Ready, "", 2),
        ]);
        let whole = sum_up(&object, &EXPECTED);
        assert_eq!(
            (whole.reason, whole.lost),
            (Reason::Ready, Some(Vec::new()))
        );
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
            ("RedisReady", Reason::Ready, "", 2),
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
