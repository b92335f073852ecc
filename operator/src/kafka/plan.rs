//! The validate step: one owned plan of spec and facts, or what is wrong.

use chatbot_contract::identity;
use chatbot_crds::{ManagedKafka, StorageSpec};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};

use super::connection::Connection;
use crate::build::pod;
use crate::engine;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Version of new members where the spec names none.
const DEFAULT_VERSION: &str = "4.4.0";

/// What the spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Members that the operator runs.
    Managed(Box<Managed>),
    /// Servers at these addresses that somebody else runs.
    External(String),
    /// No Kafka.
    Without,
}

/// What the members shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed {
    /// Name of the ChatbotDeployment.
    pub deployment: String,
    /// Its namespace.
    pub namespace: String,
    /// The server's version.
    pub version: String,
    /// The server's image.
    pub image: String,
    /// Image that holds the agent.
    pub agent_image: String,
    /// Members.
    pub replicas: i32,
    /// Volume of each.
    pub storage: StorageSpec,
    /// Requests and limits of the container.
    pub resources: ResourceRequirements,
    /// Lines of the server's configuration that the spec asks for.
    pub config: String,
    /// What the spec lays over the pods.
    pub template: Option<PodTemplateSpec>,
    /// What the agents want to hear, from the identity.
    pub token: String,
}

impl Managed {
    /// Name of the StatefulSet, and the first part of the pods' names.
    #[must_use]
    pub fn name(&self) -> String {
        names::of(&self.deployment, names::KAFKA)
    }

    /// Name of the ConfigMap with the server's configuration.
    #[must_use]
    pub fn config_name(&self) -> String {
        format!("{}-config", self.name())
    }

    /// The members, by their ordinal.
    pub fn members(&self) -> impl Iterator<Item = String> {
        (0..self.replicas).map(|ordinal| names::kafka_member(&self.deployment, ordinal))
    }
}

/// Makes the plan.
pub(super) fn validate(facts: &Facts) -> Result<Plan, Problem> {
    if facts.spec.kafka.external.is_some() {
        let servers = Connection::of(facts)?.map(|connection| connection.servers);
        return Ok(Plan::External(servers.unwrap_or_default()));
    }
    let Some(managed) = facts.spec.kafka.managed.clone() else {
        return Ok(Plan::Without);
    };
    let ManagedKafka {
        version,
        replicas,
        storage,
        resources,
        config,
        pod_template,
    } = managed;
    let status = facts.status.components.kafka.as_ref();
    // A class that goes away later takes nothing from volumes that exist.
    if status.is_none() {
        engine::check_class("kafka", &storage, facts.storage_classes.as_deref())?;
    }
    // Kept in status at creation, so that a newer operator does not move the data by itself.
    let kept = status.and_then(|kafka| kafka.version.clone());
    let version = version
        .or(kept)
        .unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    Ok(Plan::Managed(Box::new(Managed {
        deployment: facts.name.clone(),
        namespace: facts.namespace.clone(),
        image: format!("{}:{version}", facts.settings.kafka_repository),
        version,
        agent_image: facts.settings.operator_image.clone(),
        replicas,
        storage,
        resources: pod::resources(resources.as_ref(), ["50m", "512Mi"], ["2", "1Gi"]),
        config: engine::lines("kafka", &config, '=')?,
        template: pod::parse_template("kafka.managed.podTemplate", pod_template.as_ref())?,
        token: facts
            .identity()?
            .text(identity::KAFKA_AGENT_TOKEN)?
            .to_owned(),
    })))
}
