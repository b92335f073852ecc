//! How a reconcile ended: the one place where that becomes a log line, an Event and a metric.

use std::time::Duration;

use chatbot_crds::ChatbotDeployment;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};

use crate::component::{Error, Notice};
use crate::context::Context;
use crate::reason::{Class, Problem, Reason};
use crate::status::Verdict;

/// How a reconcile ended.
#[derive(Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Objects were changed, created or deleted: what, in words.
    Applied(Vec<String>),
    /// Everything was as it shall be.
    Unchanged,
    /// Something else must come first.
    Waiting(String),
    /// Somebody must do something first.
    Blocked(Problem),
    /// There was nothing to do, and why.
    Skipped(&'static str),
    /// A step failed and is tried again.
    Failed(Error),
}

impl Outcome {
    /// The fixed word for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.into()
    }
}

/// A reconcile that ended.
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Conditions whose reason is new.
    pub news: Vec<Verdict>,
    /// What else a person should know.
    pub notices: Vec<Notice>,
    /// When to look again.
    pub look_again: Duration,
}

/// Makes log, Events and metrics of a reconcile that ended.
pub async fn publish(
    context: &Context,
    component: &'static str,
    object: &ChatbotDeployment,
    took: Duration,
    ended: &Ended,
) {
    context
        .metrics
        .reconciled(component, ended.outcome.label(), took);
    log(component, object, took, ended);
    let reference = object.object_ref(&());
    for event in events(component, &ended.news, &ended.notices) {
        if let Err(error) = context.recorder.publish(&event, &reference).await {
            tracing::warn!(
                component,
                error = &error as &dyn std::error::Error,
                "failed to publish an event"
            );
        }
    }
}

fn log(component: &'static str, object: &ChatbotDeployment, took: Duration, ended: &Ended) {
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    for verdict in &ended.news {
        tracing::info!(
            component,
            namespace,
            name,
            condition = verdict.type_,
            status = verdict.status,
            reason = verdict.reason,
            message_text = verdict.message,
            "condition changed"
        );
    }
    match &ended.outcome {
        Outcome::Applied(changes) => {
            tracing::info!(
                component,
                namespace,
                name,
                milliseconds,
                ?changes,
                "applied"
            );
        }
        Outcome::Unchanged => {
            tracing::debug!(component, namespace, name, milliseconds, "unchanged");
        }
        Outcome::Waiting(what) => {
            tracing::debug!(component, namespace, name, milliseconds, what, "waiting");
        }
        Outcome::Blocked(problem) => {
            tracing::debug!(component, namespace, name, milliseconds, %problem, "blocked");
        }
        Outcome::Skipped(why) => {
            tracing::debug!(component, namespace, name, milliseconds, why, "skipped");
        }
        Outcome::Failed(error) => {
            tracing::warn!(
                component,
                namespace,
                name,
                milliseconds,
                category = error.category(),
                error = error as &dyn std::error::Error,
                "reconcile failed, trying again"
            );
        }
    }
}

/// What a person should know: that a component became ready, or that it needs a person.
fn events(component: &str, news: &[Verdict], notices: &[Notice]) -> Vec<Event> {
    let conditions = news.iter().filter_map(|verdict| {
        let reason: Reason = verdict.reason.parse().ok()?;
        let (type_, reason) = match reason.class() {
            Class::Ready => (EventType::Normal, verdict.type_),
            Class::Stalled => (EventType::Warning, verdict.reason.as_str()),
            Class::Progressing => return None,
        };
        Some(event(type_, reason, &verdict.message, verdict.type_))
    });
    let notices = notices.iter().map(|notice| {
        let type_ = if notice.warning {
            EventType::Warning
        } else {
            EventType::Normal
        };
        event(type_, notice.reason, &notice.message, component)
    });
    conditions.chain(notices).collect()
}

fn event(type_: EventType, reason: &str, message: &str, action: &str) -> Event {
    Event {
        type_,
        reason: reason.to_owned(),
        // The API's limit is 1024 bytes.
        note: Some(message.chars().take(250).collect()),
        action: action.to_owned(),
        secondary: None,
    }
}

/// An error and its causes in one line, for a condition.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        // kube repeats the cause in its own text.
        if !text.contains(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_of_what_is_ready_and_of_what_needs_a_person() {
        let news = [
            Verdict::of("ChatReady", Reason::Starting, "0 of 2 pods serve"),
            Verdict::of("UserReady", Reason::Ready, "2 of 2 pods serve"),
            Verdict::of(
                "StorageReady",
                Reason::ImagePullFailed,
                "pod x cannot pull y",
            ),
        ];
        let events = events("chat", &news, &[]);
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.type_, event.reason.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (EventType::Normal, "UserReady"),
                (EventType::Warning, "ImagePullFailed")
            ]
        );
    }
}
