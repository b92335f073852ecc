//! The document store as a component: the steps that the pipeline calls.

use chatbot_contract::report::DependencyName;
use chatbot_contract::{Workload, ports};
use chatbot_crds::{
    ChatbotDeploymentSpec, ComponentStatuses, EngineStatus, MemberStatus, conditions,
};
use kube::ResourceExt;

use super::facts::StoreFacts;
use super::plan::{self, FerretDb, Managed, Plan};
use super::{connection, mongo, objects};
use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::reason::{Problem, Reason};
use crate::reports::{Reasons, Reported};
use crate::{engine, names};

/// Somebody else's store: without it archives wait in Kafka.
pub(crate) const EXTERNAL: Reported = Reported {
    dependency: DependencyName::Documents,
    reasons: Reasons {
        unreachable: Reason::DocumentsUnreachable,
        refused: Reason::DocumentsRefused,
        failing: Reason::DocumentsFailing,
    },
    askers: &[&[Workload::Storage]],
    says_where: false,
};

/// The document store, whoever runs it. What stands there can be made again, so the spec may change its mind: what
/// the operator made goes when it is no longer wanted.
pub struct Documents;

impl Component for Documents {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::DOCUMENTS
    }

    fn condition(&self) -> &'static str {
        conditions::DOCUMENTS_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        Some("documents")
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
        plan.objects(|managed| match managed {
            Managed::FerretDb(store) => objects::build(store),
            Managed::MongoDb(members) => mongo::build(members),
        })
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        match plan {
            Plan::Managed(managed) => match &**managed {
                Managed::FerretDb(store) => observe_store(store, scene).await,
                Managed::MongoDb(members) => mongo::observe(members, scene).await,
            },
            Plan::External(hosts) => Ok(EXTERNAL.observe(hosts, scene).await),
            Plan::Without => Ok(Observation::new(
                Reason::Ready,
                "none is wanted: nothing is archived, and nobody is told what was used",
            )),
        }
    }
}

async fn observe_store(plan: &FerretDb, scene: &Scene<'_>) -> Result<Observation, Error> {
    let pods = scene.live.pods(names::DOCUMENTS);
    let facts: Option<StoreFacts> = match pods.first() {
        Some(pod) => {
            engine::ask(
                &scene.context.http,
                pod,
                ports::DOCUMENTS_AGENT,
                &plan.token,
            )
            .await
        }
        None => None,
    };
    let said = say(facts.as_ref());
    let mut observation = engine::observed(scene, &plan.name(), 1, &pods, said).await?;
    let serves = observation.reason == Reason::Ready;
    let status = EngineStatus {
        version: plan.version(),
        primary: pods.first().map(|pod| pod.name_any()),
        ready: Some(format!("{}/1", u8::from(serves))),
        members: pods
            .iter()
            .map(|pod| MemberStatus {
                name: pod.name_any(),
                state: if serves { "serving" } else { "Unknown" }.to_owned(),
                role: None,
            })
            .collect(),
    };
    observation.part = ComponentStatuses {
        documents: Some(status),
        ..ComponentStatuses::default()
    };
    Ok(observation)
}

/// Says how the store is.
fn say(facts: Option<&StoreFacts>) -> (Reason, String) {
    let Some(facts) = facts else {
        return (Reason::Starting, "the store does not answer yet".to_owned());
    };
    if facts.serves() {
        return (Reason::Ready, "documents are taken".to_owned());
    }
    let mut message = if facts.prepared {
        "FerretDB does not answer"
    } else {
        "PostgreSQL is being prepared"
    }
    .to_owned();
    if let Some(problem) = &facts.problem {
        message.push_str(&format!(": {problem}"));
    }
    (Reason::Starting, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_serves_when_both_programs_do() {
        let facts = |prepared, fronted| StoreFacts {
            prepared,
            fronted,
            ..StoreFacts::default()
        };
        assert_eq!(say(Some(&facts(true, true))).0, Reason::Ready);
        let (reason, message) = say(Some(&facts(true, false)));
        assert_eq!(reason, Reason::Starting);
        assert_eq!(message, "FerretDB does not answer");
        let broken = StoreFacts {
            problem: Some("the disk is full".to_owned()),
            ..StoreFacts::default()
        };
        assert!(say(Some(&broken)).1.ends_with(": the disk is full"));
        assert_eq!(say(None).0, Reason::Starting);
    }
}
