//! Kafka as a component: the steps that the pipeline calls.

use chatbot_contract::Workload;
use chatbot_contract::report::DependencyName;
use chatbot_crds::{ChatbotDeploymentSpec, ComponentStatuses, EngineStatus, conditions};

use super::facts::MemberFacts;
use super::plan::{self, ENGINE, Plan};
use super::{connection, words};
use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::engine;
use crate::engine::members::{self, Member, Members};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::names;
use crate::reason::{Problem, Reason};
use crate::reports::{Reasons, Reported};

/// Somebody else's Kafka: without it events stay in the outbox.
pub(crate) const EXTERNAL: Reported = Reported {
    dependency: DependencyName::Kafka,
    reasons: Reasons {
        unreachable: Reason::KafkaUnreachable,
        refused: Reason::KafkaRefused,
        failing: Reason::KafkaFailing,
    },
    // Storage writes, and knows more than the gateway, which only reads.
    askers: &[&[Workload::Storage], &[Workload::Gateway]],
    says_where: false,
};

/// Kafka, whoever runs it. Messages are in MySQL before they are told, so the spec may change its mind: what the
/// operator made goes when it is no longer wanted.
pub struct Kafka;

impl Component for Kafka {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::KAFKA
    }

    fn condition(&self) -> &'static str {
        conditions::KAFKA_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        Some("kafka")
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        engine::references(connection::secrets(spec))
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        plan::validate(facts)
    }

    fn needs(&self, plan: &Plan, facts: &Facts, _: &Live) -> Vec<String> {
        plan.needs(facts)
    }

    fn build(&self, plan: &Plan) -> Vec<Child> {
        plan.objects(|members| members::build(&ENGINE, members))
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        match plan {
            Plan::Managed(managed) => observe_members(managed, scene).await,
            Plan::External(servers) => Ok(EXTERNAL.observe(servers, scene).await),
            Plan::Without => Ok(Observation::new(
                Reason::Ready,
                "none is wanted: events wait in MySQL, and nobody is told what is new",
            )),
        }
    }
}

async fn observe_members(plan: &Members, scene: &Scene<'_>) -> Result<Observation, Error> {
    let (members, mut observation) = members::observe(&ENGINE, plan, scene, words::say).await?;
    observation.part = ComponentStatuses {
        kafka: Some(status(plan, &members)),
        ..ComponentStatuses::default()
    };
    Ok(observation)
}

fn status(plan: &Members, members: &[Member<MemberFacts>]) -> EngineStatus {
    let leader = words::leader(members);
    members::status(plan, members, leader, |member| {
        let facts = member.facts.as_ref();
        let state = match facts.and_then(|facts| facts.server.as_ref()) {
            Some(_) if member.in_step() => "in step",
            Some(_) => "joining",
            None => "Unknown",
        };
        let role = if leader == Some(member.name.as_str()) {
            "LEADER"
        } else {
            "FOLLOWER"
        };
        let knows_one = facts.and_then(MemberFacts::leader);
        (state, knows_one.map(|_| role.to_owned()))
    })
}
