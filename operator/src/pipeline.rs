//! Takes a component through its steps: dereference, validate, need, build, apply, observe, status.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chatbot_crds::{ChatbotDeployment, ChatbotDeploymentSpec, ChatbotDeploymentStatus};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};

use crate::apply::{Applied, Owner, apply};
use crate::component::{Component, Error, FurtherCondition, Notice, Observation, Scene};
use crate::context::Context;
use crate::controller::Reconciler;
use crate::dereference::dereference;
use crate::facts::{Facts, References};
use crate::outcome::{Ended, Outcome, chain};
use crate::reason::{Class, Problem, Reason};
use crate::status::{Statement, Verdict, Writer};

/// When to look again at something that changes by itself.
const SOON: Duration = Duration::from_secs(10);
/// When to look again at something that is as it shall be: against lost events.
const RESYNC: Duration = Duration::from_secs(300);
/// When to look again at what could not be done because the Lease was not renewed in time.
const LATE: Duration = Duration::from_secs(1);

/// A component with the writer of its part of the status.
pub struct Pipeline<C> {
    component: C,
    writer: Writer,
}

/// What the steps up to `observe` came to.
enum Reached {
    /// It was observed.
    Observed(Box<(Applied, Observation)>),
    /// Something must come first.
    Waiting(String),
    /// It cannot be built as it is.
    Blocked(Problem),
}

impl<C: Component> Pipeline<C> {
    /// A pipeline for this component.
    pub fn new(component: C, client: kube::Client) -> Self {
        let writer = Writer::new(client, component.name());
        Self { component, writer }
    }

    async fn reach(&self, context: &Context, object: &ChatbotDeployment) -> Result<Reached, Error> {
        let component = &self.component;
        let facts = dereference(
            &context.client,
            &context.settings,
            object,
            component.references(&object.spec),
        )
        .await?;
        let plan = match component.validate(&facts) {
            Ok(plan) => plan,
            Err(problem) => return Ok(Reached::Blocked(problem)),
        };
        let live = context.stores.live(&facts.namespace, &facts.name);
        let missing = component.needs(&plan, &facts, &live);
        if !missing.is_empty() {
            return Ok(Reached::Waiting(missing.join("; ")));
        }
        let applied = self.apply(context, object, &facts, &plan).await?;
        let live = live.with(&applied.changed);
        let scene = Scene {
            context,
            facts: &facts,
            live: &live,
        };
        let observation = component.observe(&plan, &scene).await?;
        Ok(Reached::Observed(Box::new((applied, observation))))
    }

    async fn apply(
        &self,
        context: &Context,
        object: &ChatbotDeployment,
        facts: &Facts,
        plan: &C::Plan,
    ) -> Result<Applied, Error> {
        let Some(reference) = object.controller_owner_ref(&()) else {
            return Err(Error::Refused(Problem::new(
                Reason::InvalidObject,
                "the object has no uid",
            )));
        };
        let owner = Owner {
            namespace: facts.namespace.clone(),
            instance: facts.name.clone(),
            component: self.component.name(),
            reference,
        };
        apply(
            &context.client,
            &context.stores,
            &owner,
            self.component.build(plan),
        )
        .await
    }

    async fn finish(
        &self,
        object: &ChatbotDeployment,
        statement: Statement,
        outcome: Outcome,
        notices: Vec<Notice>,
        look_again: Duration,
    ) -> Ended {
        match self.writer.write(object, &statement).await {
            Ok(news) => Ended {
                outcome,
                news,
                notices,
                look_again,
            },
            // Deleted meanwhile, or made again under the same name: its own event comes.
            Err(Error::Kubernetes { source, .. }) if is_gone(&source) => Ended {
                outcome: Outcome::Skipped("deleted"),
                news: Vec::new(),
                notices,
                look_again: RESYNC,
            },
            Err(error) => Ended {
                outcome: Outcome::Failed(error),
                news: Vec::new(),
                notices,
                look_again: SOON,
            },
        }
    }

    /// Takes back what was said of a component that the spec no longer asks for.
    async fn not_asked_for(&self, object: &ChatbotDeployment) -> Ended {
        let writes = self.writes();
        let said = object.status.as_ref().is_some_and(|status| {
            let mut conditions = status.conditions.iter();
            conditions.any(|condition| writes.contains(&condition.type_.as_str()))
        });
        if self.component.optional()
            && said
            && let Err(error) = self.writer.withdraw(object).await
        {
            return Ended {
                outcome: Outcome::Failed(error),
                news: Vec::new(),
                notices: Vec::new(),
                look_again: SOON,
            };
        }
        skipped("not asked for")
    }

    /// Says that the component is not ready, and keeps what was last known of its parts.
    fn not_ready(&self, object: &ChatbotDeployment, reason: Reason, message: &str) -> Statement {
        let status = object.status.clone().unwrap_or_default();
        let further = status
            .conditions
            .iter()
            .filter_map(|condition| {
                let type_ = *self
                    .component
                    .further_conditions()
                    .iter()
                    .find(|type_| **type_ == condition.type_)?;
                Some(FurtherCondition {
                    type_,
                    reason: condition.reason.parse().ok()?,
                    message: condition.message.clone(),
                })
            })
            .collect();
        let mut statement = statement(
            &self.component,
            &Observation {
                further,
                ..Observation::new(reason, message)
            },
        );
        statement.fields = kept(&self.component, &status);
        statement
    }
}

impl<C: Component> Reconciler for Pipeline<C> {
    fn name(&self) -> &'static str {
        self.component.name()
    }

    fn writes(&self) -> Vec<&'static str> {
        let mut all = vec![self.component.condition()];
        all.extend(self.component.further_conditions());
        all
    }

    fn sums_up(&self) -> bool {
        false
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        self.component.references(spec)
    }

    async fn reconcile(&self, context: &Context, object: Arc<ChatbotDeployment>) -> Ended {
        if let Some(ended) = nothing_to_do(context, &object) {
            return ended;
        }
        if !self.component.wanted(&object.spec) {
            return self.not_asked_for(&object).await;
        }
        match self.reach(context, &object).await {
            Ok(Reached::Observed(observed)) => {
                let (applied, observation) = *observed;
                let statement = statement(&self.component, &observation);
                let look_again = observation.look_again.unwrap_or({
                    match observation.reason.class() {
                        Class::Ready => RESYNC,
                        Class::Progressing | Class::Stalled => SOON,
                    }
                });
                let outcome = outcome(applied, &observation);
                self.finish(&object, statement, outcome, observation.events, look_again)
                    .await
            }
            Ok(Reached::Waiting(what)) => {
                let statement = self.not_ready(
                    &object,
                    Reason::WaitingForDependency,
                    &format!("waiting for {what}"),
                );
                let outcome = Outcome::Waiting(what);
                self.finish(&object, statement, outcome, Vec::new(), SOON)
                    .await
            }
            Ok(Reached::Blocked(problem)) | Err(Error::Refused(problem)) => {
                let statement = self.not_ready(&object, problem.reason, &problem.message);
                let outcome = match problem.reason.class() {
                    Class::Stalled => Outcome::Blocked(problem),
                    Class::Ready | Class::Progressing => Outcome::Waiting(problem.message),
                };
                self.finish(&object, statement, outcome, Vec::new(), SOON)
                    .await
            }
            Err(Error::Kubernetes { source, .. }) if is_terminating(&source) => {
                skipped("its namespace is being deleted")
            }
            Err(error) => {
                let statement = self.not_ready(&object, Reason::ReconcileFailed, &chain(&error));
                // When even that cannot be written, the error that was first is what matters.
                let news = self
                    .writer
                    .write(&object, &statement)
                    .await
                    .unwrap_or_default();
                Ended {
                    outcome: Outcome::Failed(error),
                    news,
                    notices: Vec::new(),
                    look_again: SOON,
                }
            }
        }
    }

    fn retain(&self, uids: &HashSet<String>) {
        self.writer.retain(uids);
    }
}

/// The end of a reconcile for which nothing may be done, if so.
fn nothing_to_do(context: &Context, object: &ChatbotDeployment) -> Option<Ended> {
    not_to_touch(context, object).or_else(|| object.spec.paused.then(|| skipped("paused")))
}

/// The end of a reconcile that may not even write a status, if so.
#[must_use]
pub fn not_to_touch(context: &Context, object: &ChatbotDeployment) -> Option<Ended> {
    if !context.leadership.holds() {
        // The Lease is late: the process ends, or goes on in a moment and has missed what woke it now.
        Some(Ended {
            look_again: LATE,
            ..skipped("not the leader")
        })
    } else if object.meta().deletion_timestamp.is_some() {
        Some(skipped("being deleted"))
    } else {
        None
    }
}

/// An end without anything done.
fn skipped(why: &'static str) -> Ended {
    Ended {
        outcome: Outcome::Skipped(why),
        news: Vec::new(),
        notices: Vec::new(),
        look_again: RESYNC,
    }
}

fn outcome(applied: Applied, observation: &Observation) -> Outcome {
    let Applied { changed, deleted } = applied;
    let mut changes: Vec<String> = changed
        .iter()
        .map(|object| {
            let kind = object.types.as_ref().map_or("object", |types| &types.kind);
            format!("applied {kind} {}", object.name_any())
        })
        .collect();
    changes.extend(deleted.iter().map(|what| format!("deleted {what}")));
    if !changes.is_empty() {
        return Outcome::Applied(changes);
    }
    let message = observation.message.clone();
    match observation.reason.class() {
        Class::Ready => Outcome::Unchanged,
        Class::Progressing => Outcome::Waiting(message),
        Class::Stalled => Outcome::Blocked(Problem::new(observation.reason, message)),
    }
}

fn statement<C: Component>(component: &C, observation: &Observation) -> Statement {
    let mut verdicts = vec![Verdict::of(
        component.condition(),
        observation.reason,
        &observation.message,
    )];
    verdicts.extend(
        observation
            .further
            .iter()
            .map(|further| Verdict::of(further.type_, further.reason, &further.message)),
    );
    let mut fields = Map::new();
    let parts = json!(observation.part);
    if parts.as_object().is_some_and(|parts| !parts.is_empty()) {
        fields.insert("components".to_owned(), parts);
    }
    if let Some(endpoint) = &observation.endpoint {
        fields.insert("endpoint".to_owned(), json!(endpoint));
    }
    Statement { verdicts, fields }
}

/// What the status holds of this component's fields.
fn kept<C: Component>(component: &C, status: &ChatbotDeploymentStatus) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(field) = component.status_field()
        && let Some(part) = json!(status.components).get(field)
    {
        fields.insert("components".to_owned(), json!({ field: part }));
    }
    if component.name() == crate::names::LOAD_BALANCER
        && let Some(endpoint) = &status.endpoint
    {
        fields.insert("endpoint".to_owned(), json!(endpoint));
    }
    fields
}

/// Nothing new may be made in a namespace that is being deleted, and nothing needs to be.
fn is_terminating(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.code == 403 && status.message.contains("because it is being terminated"))
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 || status.code == 409)
}
