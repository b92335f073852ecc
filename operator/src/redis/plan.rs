//! The validate step: one owned plan of spec and facts, or what is wrong.

use chatbot_contract::{identity, ports, redis};
use chatbot_crds::{ExternalRedis, ManagedRedis};

use super::connection::Connection;
use crate::engine;
use crate::engine::members::{Asked, Engine, Members};
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// What the spec asks for.
pub(super) type Plan = engine::Plan<Members>;

/// What is special about Redis.
pub(super) const ENGINE: Engine = Engine {
    component: names::REDIS,
    agent: "redis-agent",
    default_version: "8.0",
    resources: [["20m", "48Mi"], ["1", "256Mi"]],
    config: Some(("redis.conf", ' ')),
    user: 999,
    // A hand-over and a clean end take seconds.
    grace_seconds: 30,
    ports: &[("redis", ports::REDIS), ("sentinel", ports::SENTINEL)],
    agent_port: ports::REDIS_AGENT,
    token: identity::REDIS_AGENT_TOKEN,
    passwords: || redis::ACCOUNTS.map(identity::redis_password).into(),
};

/// Makes the plan.
pub(super) fn validate(facts: &Facts) -> Result<Plan, Problem> {
    if let Some(ExternalRedis { host, port, .. }) = &facts.spec.redis.external {
        Connection::of(facts)?;
        return Ok(Plan::External(format!("{host}:{port}")));
    }
    let Some(managed) = facts.spec.redis.managed.clone() else {
        return Ok(Plan::Without);
    };
    let ManagedRedis {
        version,
        replicas,
        storage,
        resources,
        config,
        pod_template,
    } = managed;
    let asked = Asked {
        version,
        replicas,
        storage,
        resources,
        config,
        pod_template,
    };
    let repository = &facts.settings.redis_repository;
    let status = facts.status.components.redis.as_ref();
    let members = Members::plan(&ENGINE, facts, asked, repository, status)?;
    Ok(Plan::Managed(Box::new(members)))
}
