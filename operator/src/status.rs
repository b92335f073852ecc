//! The status step: a component's conditions and its part of `status.components`.
//!
//! Each controller is a field manager of its own, so that the API server keeps their parts apart
//! and drops what one of them no longer says. Nothing is written that is already there: a status
//! that changes at every reconcile would wake everybody for ever.

use std::collections::HashMap;
use std::sync::Mutex;

use chatbot_crds::{ChatbotDeployment, ChatbotDeploymentStatus};
use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Map, Value, json};

use crate::component::Error;
use crate::labels::MANAGER;
use crate::reason::{Class, Reason};

/// A condition without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Type.
    pub type_: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Reason.
    pub reason: String,
    /// One sentence for a person.
    pub message: String,
}

impl Verdict {
    /// The verdict on a component whose condition is `True` exactly when it is ready.
    #[must_use]
    pub fn of(type_: &'static str, reason: Reason, message: &str) -> Self {
        let status = match (reason, reason.class()) {
            (Reason::Unknown, _) => "Unknown",
            (_, Class::Ready) => "True",
            (_, Class::Progressing | Class::Stalled) => "False",
        };
        Self {
            type_,
            status,
            reason: reason.to_string(),
            message: message.to_owned(),
        }
    }
}

/// What one controller says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// Its conditions.
    pub verdicts: Vec<Verdict>,
    /// Fields of `status` that it alone writes.
    pub fields: Map<String, Value>,
}

/// Writes the statements of one controller.
pub struct Writer {
    client: Client,
    manager: String,
    written: Mutex<HashMap<String, Written>>,
}

#[derive(Clone, PartialEq)]
struct Written {
    conditions: Vec<Condition>,
    fields: Map<String, Value>,
}

impl Writer {
    /// A writer under the field manager `chatbot-operator/<name>`.
    #[must_use]
    pub fn new(client: Client, name: &str) -> Self {
        Self {
            client,
            manager: format!("{MANAGER}/{name}"),
            written: Mutex::default(),
        }
    }

    /// Writes the statement unless it is there already; returns the conditions whose reason is new.
    ///
    /// # Errors
    /// The API server refused or did not answer.
    pub async fn write(
        &self,
        object: &ChatbotDeployment,
        statement: &Statement,
    ) -> Result<Vec<Verdict>, Error> {
        let uid = object.uid().unwrap_or_default();
        let last = self.lock().get(&uid).cloned();
        let cached = object.status.clone().unwrap_or_default();
        let previous = last
            .as_ref()
            .map_or(cached.conditions.as_slice(), |last| &last.conditions);
        let next = Written {
            conditions: conditions(
                statement,
                previous,
                object.meta().generation,
                Timestamp::now(),
            ),
            fields: statement.fields.clone(),
        };
        let news = statement
            .verdicts
            .iter()
            .filter(|verdict| {
                !previous
                    .iter()
                    .any(|old| old.type_ == verdict.type_ && old.reason == verdict.reason)
            })
            .cloned()
            .collect();
        // The cache may be behind what we wrote; what we wrote may have been changed by others.
        let unchanged = last.as_ref().is_none_or(|last| *last == next) && shows(&cached, &next);
        if !unchanged {
            self.send(object, &next).await?;
        }
        self.lock().insert(uid, next);
        Ok(news)
    }

    /// Takes back everything that was said of an object.
    ///
    /// # Errors
    /// The API server refused or did not answer.
    pub async fn withdraw(&self, object: &ChatbotDeployment) -> Result<(), Error> {
        let nothing = Written {
            conditions: Vec::new(),
            fields: Map::new(),
        };
        self.send(object, &nothing).await?;
        self.lock().remove(&object.uid().unwrap_or_default());
        Ok(())
    }

    /// Forgets what was written for objects that are not in the list.
    pub fn retain(&self, uids: &std::collections::HashSet<String>) {
        self.lock().retain(|uid, _| uids.contains(uid));
    }

    async fn send(&self, object: &ChatbotDeployment, next: &Written) -> Result<(), Error> {
        let name = object.name_any();
        let namespace = object.namespace().unwrap_or_default();
        let mut status = next.fields.clone();
        status.insert("conditions".to_owned(), json!(next.conditions));
        let patch = json!({
            "apiVersion": ChatbotDeployment::api_version(&()),
            "kind": ChatbotDeployment::kind(&()),
            // An object that was made again under the same name is not the one we speak of.
            "metadata": {"name": name, "namespace": namespace, "uid": object.uid()},
            "status": status,
        });
        let api: Api<ChatbotDeployment> = Api::namespaced(self.client.clone(), &namespace);
        api.patch_status(
            &name,
            &PatchParams::apply(&self.manager).force(),
            &Patch::Apply(&patch),
        )
        .await
        .map_err(Error::kubernetes("write the status"))?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Written>> {
        self.written
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Gives the verdicts their times: a condition keeps its time as long as its status is the same.
fn conditions(
    statement: &Statement,
    previous: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let now = now.round(Unit::Second).unwrap_or(now);
    statement
        .verdicts
        .iter()
        .map(|verdict| {
            let since = previous
                .iter()
                .find(|old| old.type_ == verdict.type_ && old.status == verdict.status)
                .map_or_else(|| Time(now), |old| old.last_transition_time.clone());
            Condition {
                type_: verdict.type_.to_owned(),
                status: verdict.status.to_owned(),
                reason: verdict.reason.clone(),
                // The schema's limit, counted in characters.
                message: verdict.message.chars().take(32_768).collect(),
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect()
}

/// Whether a status already says what shall be written.
fn shows(status: &ChatbotDeploymentStatus, next: &Written) -> bool {
    let conditions = next
        .conditions
        .iter()
        .all(|condition| status.conditions.contains(condition));
    let status = serde_json::to_value(status).unwrap_or_default();
    conditions
        && next
            .fields
            .iter()
            .all(|(key, value)| status.get(key).is_some_and(|found| holds(found, value)))
}

/// Whether `found` says at least what `wanted` says.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| holds(found, value))),
        (found, wanted) => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn statement(reason: Reason) -> Statement {
        Statement {
            verdicts: vec![Verdict::of("ChatReady", reason, "")],
            fields: Map::new(),
        }
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_is_the_same() {
        let first = conditions(
            &statement(Reason::Starting),
            &[],
            Some(1),
            at("2026-01-01T00:00:00Z"),
        );
        let second = conditions(
            &statement(Reason::ImagePullFailed),
            &first,
            Some(2),
            at("2026-01-01T00:01:00Z"),
        );
        let third = conditions(
            &statement(Reason::Ready),
            &second,
            Some(2),
            at("2026-01-01T00:02:00.7Z"),
        );
        assert_eq!(
            second[0].last_transition_time,
            first[0].last_transition_time
        );
        assert_eq!(second[0].observed_generation, Some(2));
        assert_eq!(third[0].last_transition_time.0, at("2026-01-01T00:02:01Z"));
        assert_eq!(third[0].status, "True");
    }

    #[test]
    fn a_dependency_that_was_not_tried_is_unknown() {
        assert_eq!(
            Verdict::of("ModelReady", Reason::Unknown, "").status,
            "Unknown"
        );
    }

    #[test]
    fn a_status_that_says_more_is_not_written_again() {
        let next = Written {
            conditions: Vec::new(),
            fields: serde_json::from_value(json!({"components": {"chat": {"ready": "2/2"}}}))
                .unwrap(),
        };
        let status: ChatbotDeploymentStatus = serde_json::from_value(json!({
            "components": {"chat": {"ready": "2/2", "replicas": 2}, "user": {"ready": "1/1"}},
        }))
        .unwrap();
        assert!(shows(&status, &next));
        assert!(!shows(&ChatbotDeploymentStatus::default(), &next));
    }
}
