//! The validate step: one owned plan of spec and facts, or what is wrong.

use std::collections::BTreeMap;

use chatbot_contract::identity;
use chatbot_crds::{DocumentEngine, ManagedDocuments, StorageSpec};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};

use super::connection::Connection;
use super::mongo;
use crate::build::pod;
use crate::engine;
use crate::engine::members::{Asked, Members};
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// What the spec asks for.
pub(super) type Plan = engine::Plan<Managed>;

/// What the operator runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Managed {
    /// FerretDB in front of PostgreSQL.
    FerretDb(FerretDb),
    /// A replica set of MongoDB's own servers.
    MongoDb(Members),
}

/// What FerretDB and PostgreSQL shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct FerretDb {
    /// Name of the ChatbotDeployment.
    pub deployment: String,
    /// Image of PostgreSQL with the DocumentDB extension.
    pub postgres_image: String,
    /// Image of FerretDB.
    pub ferretdb_image: String,
    /// Image that holds the agent.
    pub agent_image: String,
    /// The volume.
    pub storage: StorageSpec,
    /// Requests and limits of PostgreSQL's container.
    pub resources: ResourceRequirements,
    /// What the spec lays over the pod.
    pub template: Option<PodTemplateSpec>,
    /// What the agent wants to hear, from the identity.
    pub token: String,
}

impl FerretDb {
    /// Name of the StatefulSet and of the Service.
    #[must_use]
    pub fn name(&self) -> String {
        names::of(&self.deployment, names::DOCUMENTS)
    }

    /// FerretDB's version: its image's tag.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let (_, name) = self.ferretdb_image.rsplit_once('/')?;
        name.split_once(':').map(|(_, tag)| tag.to_owned())
    }
}

/// Makes the plan.
pub(super) fn validate(facts: &Facts) -> Result<Plan, Problem> {
    if facts.spec.documents.external.is_some() {
        let hosts = Connection::of(facts)?.map(|connection| connection.hosts);
        return Ok(Plan::External(hosts.unwrap_or_default()));
    }
    let Some(managed) = facts.spec.documents.managed.clone() else {
        return Ok(Plan::Without);
    };
    let ManagedDocuments {
        engine,
        version,
        replicas,
        storage,
        resources,
        pod_template,
    } = managed;
    let status = facts.status.components.documents.as_ref();
    if engine == DocumentEngine::MongoDB {
        let asked = Asked {
            // Not what status says: FerretDB's may stand there still.
            version: version.or_else(|| Some(mongo::ENGINE.default_version.to_owned())),
            replicas: replicas.unwrap_or_else(|| engine.default_replicas()),
            storage,
            resources,
            config: BTreeMap::new(),
            pod_template,
        };
        let repository = &facts.settings.mongo_repository;
        let members = Members::plan(&mongo::ENGINE, facts, asked, repository, status)?;
        return Ok(Plan::Managed(Box::new(Managed::MongoDb(members))));
    }
    // A class that goes away later takes nothing from volumes that exist.
    if status.is_none() {
        engine::check_class("documents", &storage, facts.storage_classes.as_deref())?;
    }
    Ok(Plan::Managed(Box::new(Managed::FerretDb(FerretDb {
        deployment: facts.name.clone(),
        postgres_image: facts.settings.documentdb_image.clone(),
        ferretdb_image: facts.settings.ferretdb_image.clone(),
        agent_image: facts.settings.operator_image.clone(),
        storage,
        resources: pod::resources(resources.as_ref(), ["20m", "128Mi"], ["1", "512Mi"]),
        template: pod::parse_template("documents.managed.podTemplate", pod_template.as_ref())?,
        token: facts
            .identity()?
            .text(identity::DOCUMENTS_AGENT_TOKEN)?
            .to_owned(),
    }))))
}
