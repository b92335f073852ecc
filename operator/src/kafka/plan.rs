//! The validate step: one owned plan of spec and facts, or what is wrong.

use chatbot_contract::{identity, kafka, ports};
use chatbot_crds::ManagedKafka;

use super::connection::Connection;
use crate::engine;
use crate::engine::members::{Asked, Engine, Members};
use crate::facts::Facts;
use crate::names;
use crate::reason::Problem;

/// What the spec asks for.
pub(super) type Plan = engine::Plan<Members>;

/// What is special about Kafka.
pub(super) const ENGINE: Engine = Engine {
    component: names::KAFKA,
    agent: "kafka-agent",
    default_version: "4.4.0",
    resources: [["50m", "512Mi"], ["2", "1Gi"]],
    config: Some(("server.properties", '=')),
    user: 1000,
    // Others must lead this member's partitions, and what it wrote must reach the disk; the agent kills it after 20 s.
    grace_seconds: 30,
    ports: &[
        ("kafka", ports::KAFKA),
        ("quorum", ports::KAFKA_QUORUM),
        ("members", ports::KAFKA_MEMBERS),
    ],
    agent_port: ports::KAFKA_AGENT,
    token: identity::KAFKA_AGENT_TOKEN,
    passwords: || kafka::ACCOUNTS.map(identity::kafka_password).into(),
};

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
    let asked = Asked {
        version,
        replicas,
        storage,
        resources,
        config,
        pod_template,
    };
    let repository = &facts.settings.kafka_repository;
    let status = facts.status.components.kafka.as_ref();
    let members = Members::plan(&ENGINE, facts, asked, repository, status)?;
    Ok(Plan::Managed(Box::new(members)))
}
