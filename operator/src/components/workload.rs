//! A workload: gateway, chat, user or storage, one shape for the four.

use chatbot_contract::Workload;
use chatbot_contract::report::DependencyName;
use chatbot_crds::{
    ChatbotDeploymentSpec, ComponentStatuses, WorkloadSpec, WorkloadStatus, conditions,
};
use k8s_openapi::api::core::v1::{EnvVar, PodTemplateSpec, ResourceRequirements};

use crate::build::{account, budget, deployment, pod, service};
use crate::child::Child;
use crate::component::{Component, Error, FurtherCondition, Observation, Scene};
use crate::components::migration;
use crate::database;
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::reason::{Class, Problem, Reason};
use crate::redis::connection;
use crate::reports::{self, Reasons};
use crate::rollout::{Rollout, rollout};
use crate::{documents, kafka, labels, mail, names};

mod environment;
mod template;

pub(crate) use template::{USER, secret_files};

/// The component for one of the workloads.
pub struct WorkloadComponent(pub Workload);

/// What a workload shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    deployment: String,
    workload: Workload,
    image: String,
    replicas: i32,
    resources: ResourceRequirements,
    template: Option<PodTemplateSpec>,
    variables: Vec<EnvVar>,
    secrets: Vec<SecretFile>,
    config_hash: String,
    /// The Job that must have brought the schema up to date.
    schema: Option<String>,
}

/// A value of a Secret, mounted as a file whose path a variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretFile {
    variable: &'static str,
    secret: String,
    key: String,
}

impl SecretFile {
    pub(crate) const fn new(variable: &'static str, secret: String, key: String) -> Self {
        Self {
            variable,
            secret,
            key,
        }
    }
}

impl Component for WorkloadComponent {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn condition(&self) -> &'static str {
        match self.0 {
            Workload::Gateway => conditions::GATEWAY_READY,
            Workload::Chat => conditions::CHAT_READY,
            Workload::User => conditions::USER_READY,
            Workload::Storage => conditions::STORAGE_READY,
        }
    }

    fn further_conditions(&self) -> &'static [&'static str] {
        match self.0 {
            Workload::Chat => &[conditions::MODEL_READY],
            Workload::Gateway | Workload::User | Workload::Storage => &[],
        }
    }

    fn status_field(&self) -> Option<&'static str> {
        Some(self.0.name())
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        let mut secrets = Vec::new();
        if uses_database(self.0) {
            secrets.extend(database::secrets(spec));
        }
        secrets.extend(connection::secrets(spec));
        if uses_kafka(self.0) {
            secrets.extend(kafka::connection::secrets(spec));
        }
        if self.0 == Workload::Storage {
            secrets.extend(documents::connection::secrets(spec));
        }
        if self.0 == Workload::User {
            secrets.extend(mail::secrets(spec));
        }
        if self.0 == Workload::Chat {
            secrets.extend(spec.llm.api_key.as_ref().map(|key| key.name.clone()));
        }
        References {
            secrets,
            identity: true,
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        let workload = self.0;
        let WorkloadSpec {
            replicas,
            resources,
            pod_template,
        } = spec_of(workload, &facts.spec);
        let template =
            pod::parse_template(&format!("{workload}.podTemplate"), pod_template.as_ref())?;
        let environment::Environment {
            variables,
            secrets,
            config_hash,
        } = environment::environment(facts, workload)?;
        let schema = if uses_database(workload) {
            Some(migration::plan(facts)?.job)
        } else {
            None
        };
        Ok(Plan {
            deployment: facts.name.clone(),
            workload,
            image: facts.image().to_owned(),
            replicas: *replicas,
            resources: pod::resources(resources.as_ref(), ["20m", "48Mi"], ["1", "256Mi"]),
            template,
            variables,
            secrets,
            config_hash,
            schema,
        })
    }

    fn needs(&self, plan: &Plan, facts: &Facts, live: &Live) -> Vec<String> {
        let Some(job) = &plan.schema else {
            return Vec::new();
        };
        if live.job(job).is_some_and(migration::succeeded) {
            return Vec::new();
        }
        let state = facts
            .status
            .conditions
            .iter()
            .find(|condition| condition.type_ == conditions::SCHEMA_READY)
            .map_or("not begun", |condition| condition.message.as_str());
        vec![format!("the migration: {state}")]
    }

    fn build(&self, plan: &Plan) -> Vec<Child> {
        let name = names::of(&plan.deployment, plan.workload.name());
        let selector = labels::selector(&plan.deployment, plan.workload.name());
        let mut children = vec![
            account::account(&name),
            service::internal(&name, selector.clone(), chatbot_contract::ports::HTTP),
        ];
        children.extend(budget::budget(&name, selector.clone(), plan.replicas));
        children.push(deployment::deployment(
            &name,
            selector,
            plan.replicas,
            template::template(plan),
        ));
        children
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let workload = plan.workload;
        let name = names::of(&plan.deployment, workload.name());
        let pods = scene.live.pods(workload.name());
        let Rollout {
            reason,
            message,
            replicas,
            ready,
            wanted,
        } = rollout(scene.live.deployment(&name), &pods);
        let mut observation = Observation::new(reason, message);
        let part = WorkloadStatus {
            replicas,
            ready_replicas: ready,
            ready: format!("{ready}/{wanted}"),
            selector: labels::selector_text(&plan.deployment, workload.name()),
            image: plan.image.clone(),
        };
        observation.part = part_of(workload, part);
        if workload == Workload::Chat {
            let reports = reports::ask(&scene.context.http, &pods).await;
            observation.further.push(model(&reports));
            observation.look_again = Some(reports::INTERVAL);
        }
        if reason.class() != Class::Ready {
            observation.look_again = Some(reports::INTERVAL);
        }
        Ok(observation)
    }
}

/// Whether a workload reads and writes the relational store.
#[must_use]
pub const fn uses_database(workload: Workload) -> bool {
    matches!(workload, Workload::User | Workload::Storage)
}

/// Whether a workload tells events, or reads them.
#[must_use]
const fn uses_kafka(workload: Workload) -> bool {
    matches!(workload, Workload::Gateway | Workload::Storage)
}

const fn spec_of(workload: Workload, spec: &ChatbotDeploymentSpec) -> &WorkloadSpec {
    match workload {
        Workload::Gateway => &spec.gateway.workload,
        Workload::Chat => &spec.chat,
        Workload::User => &spec.user.workload,
        Workload::Storage => &spec.storage,
    }
}

fn part_of(workload: Workload, part: WorkloadStatus) -> ComponentStatuses {
    let mut parts = ComponentStatuses::default();
    *match workload {
        Workload::Gateway => &mut parts.gateway,
        Workload::Chat => &mut parts.chat,
        Workload::User => &mut parts.user,
        Workload::Storage => &mut parts.storage,
    } = Some(part);
    parts
}

/// How the chat workload sees the model API.
fn model(reports: &[chatbot_contract::report::Report]) -> FurtherCondition {
    let seen = reports::dependency(reports, DependencyName::Model);
    let (reason, message) = seen.map_or_else(
        || (Reason::Unknown, "not tried yet".to_owned()),
        |seen| {
            let reasons = Reasons {
                unreachable: Reason::ModelUnreachable,
                refused: Reason::ModelKeyRefused,
                failing: Reason::ModelFailing,
            };
            (reasons.of(seen.state), seen.message)
        },
    );
    FurtherCondition {
        type_: conditions::MODEL_READY,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests;
