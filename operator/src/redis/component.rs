//! Redis as a component: the steps that the pipeline calls.

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

/// Somebody else's Redis: without it limits are local, and streams are resumed only where they are made.
pub(crate) const EXTERNAL: Reported = Reported {
    dependency: DependencyName::Redis,
    reasons: Reasons {
        unreachable: Reason::RedisUnreachable,
        refused: Reason::RedisRefused,
        failing: Reason::RedisFailing,
    },
    askers: &[&[Workload::Gateway, Workload::Chat]],
    says_where: false,
};

/// Redis, whoever runs it. What stands there can be lost, so the spec may change its mind: what the operator made
/// goes when it is no longer wanted.
pub struct Redis;

impl Component for Redis {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::REDIS
    }

    fn condition(&self) -> &'static str {
        conditions::REDIS_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        Some("redis")
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
            Plan::External(host) => Ok(EXTERNAL.observe(host, scene).await),
            Plan::Without => Ok(Observation::new(
                Reason::Ready,
                "none is wanted: each gateway keeps limits for itself, and a stream is resumed only where it is made",
            )),
        }
    }
}

async fn observe_members(plan: &Members, scene: &Scene<'_>) -> Result<Observation, Error> {
    let (members, mut observation) = members::observe(&ENGINE, plan, scene, words::say).await?;
    observation.part = ComponentStatuses {
        redis: Some(status(plan, &members)),
        ..ComponentStatuses::default()
    };
    Ok(observation)
}

fn status(plan: &Members, members: &[Member<MemberFacts>]) -> EngineStatus {
    let primary = words::primary(members).map(|member| member.name.as_str());
    members::status(plan, members, primary, |member| {
        let server = member.facts.as_ref().and_then(|facts| facts.server);
        let state = match server {
            Some(server) if server.in_step => "connected",
            Some(_) => "syncing",
            None => "Unknown",
        };
        (state, server.map(|server| server.role.to_string()))
    })
}
