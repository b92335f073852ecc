//! The validate step: one owned plan of spec and facts, or what is wrong.

use chatbot_contract::identity;
use chatbot_crds::{DeletionPolicy, ManagedMysql, StorageSpec};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};

use crate::build::pod;
use crate::engine;
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// Version of a new group where the spec names none.
pub(super) const DEFAULT_VERSION: &str = "9.7";

/// What the group shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
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
    /// Whether volumes go with the ChatbotDeployment.
    pub delete_volumes: bool,
    /// Requests and limits of the server's container.
    pub resources: ResourceRequirements,
    /// Lines of the server's configuration that the spec asks for.
    pub config: String,
    /// What the spec lays over the pods.
    pub template: Option<PodTemplateSpec>,
    /// The replication group, from the identity.
    pub group_id: String,
    /// What the agents want to hear, from the identity.
    pub token: String,
}

impl Plan {
    /// Name of the StatefulSet, the Service of the primary, and the first part of the pods' names.
    #[must_use]
    pub fn name(&self) -> String {
        names::of(&self.deployment, names::MYSQL)
    }

    /// Name of the ConfigMap with the bootstrap intent.
    #[must_use]
    pub fn intent_name(&self) -> String {
        format!("{}-bootstrap", self.name())
    }

    /// Name of the ConfigMap with the server's configuration.
    #[must_use]
    pub fn config_name(&self) -> String {
        format!("{}-config", self.name())
    }
}

/// Makes the plan.
pub(super) fn validate(facts: &Facts) -> Result<Plan, Problem> {
    let managed = facts.spec.mysql.managed.clone().unwrap_or_default();
    let ManagedMysql {
        version,
        replicas,
        storage,
        resources,
        config,
        pod_template,
    } = managed;
    let status = facts.status.components.mysql.as_ref();
    // A class that goes away later takes nothing from volumes that exist.
    if status.is_none() {
        engine::check_class("mysql", &storage, facts.storage_classes.as_deref())?;
    }
    let identity = facts.identity()?;
    // Kept in status at creation, so that a newer operator does not move the data by itself.
    let kept = status.and_then(|mysql| mysql.version.clone());
    let version = version
        .or(kept)
        .unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    Ok(Plan {
        deployment: facts.name.clone(),
        namespace: facts.namespace.clone(),
        image: format!("{}:{version}", facts.settings.mysql_repository),
        version,
        agent_image: facts.settings.operator_image.clone(),
        replicas,
        storage,
        delete_volumes: facts.spec.deletion_policy == DeletionPolicy::Delete,
        resources: pod::resources(resources.as_ref(), ["50m", "512Mi"], ["2", "1Gi"]),
        config: engine::lines("mysql", &config, '=')?,
        template: pod::parse_template("mysql.managed.podTemplate", pod_template.as_ref())?,
        group_id: identity.text(identity::MYSQL_GROUP_ID)?.to_owned(),
        token: identity.text(identity::MYSQL_AGENT_TOKEN)?.to_owned(),
    })
}
