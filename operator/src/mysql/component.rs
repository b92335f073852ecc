//! MySQL as a component: the steps that the pipeline calls.

use std::time::Duration;

use chatbot_crds::{
    ChatbotDeploymentSpec, ComponentStatuses, EngineStatus, MemberStatus, conditions,
};
use k8s_openapi::api::core::v1::Pod;

use super::act::Acts;
use super::decide::{Action, Situation, State, TRUST, decide};
use super::gather;
use super::plan::{self, Plan};
use super::{objects, words};
use crate::child::Child;
use crate::component::{Component, Error, Notice, Observation, Scene};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::reason::{Problem, Reason};
use crate::{engine, names, rollout};

/// How soon a group that is whole is looked at again, and one that is not.
const CALM: Duration = Duration::from_secs(5);
const BUSY: Duration = Duration::from_millis(500);

/// MySQL as the operator runs it.
pub struct Mysql;

impl Component for Mysql {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::MYSQL
    }

    fn condition(&self) -> &'static str {
        conditions::MYSQL_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        Some("mysql")
    }

    fn wanted(&self, spec: &ChatbotDeploymentSpec) -> bool {
        spec.mysql.managed.is_some()
    }

    fn references(&self, _: &ChatbotDeploymentSpec) -> References {
        References {
            storage_classes: true,
            identity: true,
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        plan::validate(facts)
    }

    fn needs(&self, _: &Plan, facts: &Facts, _: &Live) -> Vec<String> {
        // Volumes must not be filled under an identity that is not complete.
        if facts.condition_is_true(conditions::IDENTITY_READY) {
            Vec::new()
        } else {
            vec!["the identity".to_owned()]
        }
    }

    fn build(&self, plan: &Plan) -> Vec<Child> {
        objects::build(plan)
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let acts = Acts::new(scene.context, scene.facts, plan);
        let pods = scene.live.pods(names::MYSQL);
        let set = scene.live.stateful_set(&plan.name());
        let (standing, members) = futures::join!(
            acts.read_intent(),
            gather::members(&scene.context.http, plan, set, &pods),
        );
        let standing = standing?;
        let situation = Situation {
            members,
            intent: standing.as_ref().map(|(intent, _)| intent.clone()),
            trust: scene.facts.annotations.get(TRUST).cloned(),
        };
        let verdict = decide(&situation);
        let mut events = Vec::new();
        match &verdict.action {
            Some(Action::Write(intent)) => {
                let read_version = standing.as_ref().map(|(_, version)| version.as_str());
                if acts.write_intent(intent, read_version).await? {
                    events.push(Notice {
                        warning: intent.epoch > 1,
                        reason: "MysqlBootstrap",
                        message: format!("{} makes the group: {}", intent.member, intent.reason),
                    });
                }
            }
            Some(Action::Restart(member)) => {
                if let Some(pod) = pods.iter().find(|pod| named(pod, member)) {
                    acts.restart(pod).await?;
                    events.push(Notice {
                        warning: false,
                        reason: "MysqlRestart",
                        message: format!(
                            "restarting {member}, so that it runs as it is now wanted"
                        ),
                    });
                }
            }
            None => {}
        }
        acts.label(&pods, &situation).await?;

        let (mut reason, mut message) = words::say(&verdict, &situation);
        // What keeps a pod from running says more than that its member is missing.
        if !matches!(verdict.state, State::Healthy { .. })
            && !matches!(reason, Reason::HumanDecisionNeeded)
        {
            let refused = engine::refused(scene, &plan.name(), plan.replicas, &pods).await?;
            if let Some((cause, why)) = refused.or_else(|| rollout::hindrance(&pods)) {
                if matches!(verdict.state, State::Degraded { .. }) {
                    message = format!("{message}; {why}");
                } else {
                    (reason, message) = (cause, why);
                }
            }
        }
        let calm = matches!(verdict.state, State::Healthy { .. }) && verdict.action.is_none();
        Ok(Observation {
            part: ComponentStatuses {
                mysql: Some(status(plan, &verdict.state, &situation)),
                ..ComponentStatuses::default()
            },
            look_again: Some(if calm { CALM } else { BUSY }),
            events,
            ..Observation::new(reason, message)
        })
    }
}

fn named(pod: &Pod, name: &str) -> bool {
    pod.metadata.name.as_deref() == Some(name)
}

fn status(plan: &Plan, state: &State, situation: &Situation) -> EngineStatus {
    let members: Vec<MemberStatus> = situation
        .members
        .iter()
        .map(|member| {
            let server = member
                .facts
                .as_ref()
                .and_then(|facts| facts.server.as_ref());
            MemberStatus {
                name: member.name.clone(),
                state: server
                    .map_or_else(|| "Unknown".to_owned(), |server| server.state().to_string()),
                role: server
                    .filter(|server| server.is_online())
                    .and_then(|server| server.own()?.role)
                    .map(|role| role.to_string()),
            }
        })
        .collect();
    let primary = match state {
        State::Healthy { primary } | State::Degraded { primary, .. } => Some(primary.clone()),
        _ => None,
    };
    let online = match state {
        State::Healthy { .. } => members.len(),
        State::Degraded { missing, .. } => members.len() - missing.len(),
        _ => 0,
    };
    EngineStatus {
        version: Some(plan.version.clone()),
        primary,
        ready: Some(format!("{online}/{}", members.len())),
        members,
    }
}
