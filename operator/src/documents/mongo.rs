//! MongoDB as a replica set: what its members are made of, and what their agents tell.
//!
//! There is no brain on the operator's side: MongoDB's own elections choose the primary, and each member's [agent] knows
//! whether a set may be made. See `docs/decisions/0012-documents.md`. Tried with a stand-in only.

pub mod agent;
pub mod facts;
mod words;

use chatbot_contract::{Workload, identity, ports};
use chatbot_crds::{ComponentStatuses, EngineStatus};

use facts::MemberFacts;

use crate::build::network_policy;
use crate::child::Child;
use crate::component::{Error, Observation, Scene};
use crate::engine::members::{self, Engine, Member, Members};
use crate::{labels, names};

/// What is special about MongoDB.
pub(super) const ENGINE: Engine = Engine {
    component: names::DOCUMENTS,
    agent: "mongo-agent",
    default_version: "8.0",
    resources: [["50m", "256Mi"], ["1", "1Gi"]],
    config: None,
    user: 999,
    // Another member must have what the primary has (10 s), and a server that ends tells its clients for 15 s.
    grace_seconds: 60,
    ports: &[("documents", ports::DOCUMENTS)],
    agent_port: ports::DOCUMENTS_AGENT,
    token: identity::DOCUMENTS_AGENT_TOKEN,
    passwords: || {
        [
            identity::DOCUMENTS_PASSWORD,
            identity::DOCUMENTS_ADMIN_PASSWORD,
            identity::DOCUMENTS_MEMBER_KEY,
        ]
        .map(str::to_owned)
        .into()
    },
};

/// The objects, in the order of need.
pub(super) fn build(plan: &Members) -> Vec<Child> {
    let (own, storage) = (
        plan.selector(),
        labels::selector(&plan.deployment, Workload::Storage.name()),
    );
    let peers = [&storage, &own];
    let (port, agent) = (ports::DOCUMENTS, ports::DOCUMENTS_AGENT);
    let mut children = vec![network_policy::only(
        &plan.name(),
        &own,
        port,
        &peers,
        agent,
    )];
    children.extend(members::build(&ENGINE, plan));
    children
}

/// Asks the agents, and says how the members are.
pub(super) async fn observe(plan: &Members, scene: &Scene<'_>) -> Result<Observation, Error> {
    let (members, mut observation) = members::observe(&ENGINE, plan, scene, words::say).await?;
    observation.part = ComponentStatuses {
        documents: Some(status(plan, &members)),
        ..ComponentStatuses::default()
    };
    Ok(observation)
}

fn status(plan: &Members, members: &[Member<MemberFacts>]) -> EngineStatus {
    let primary = words::primary(members).map(|member| member.name.as_str());
    members::status(plan, members, primary, |member| {
        let server = member.facts.as_ref().and_then(MemberFacts::state);
        let state = match server {
            Some(_) if member.in_step() => "in step",
            Some(_) => "joining",
            None => "Unknown",
        };
        (state, server.map(|state| state.to_string()))
    })
}
