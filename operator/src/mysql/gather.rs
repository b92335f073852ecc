//! Reads what counts of the declared members: their pods, and what their agents tell.

use chatbot_contract::ports;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::decide::{Member, PodFact};
use super::facts::MemberFacts;
use super::plan::Plan;
use crate::{engine, names, rollout};

/// A server that ended so often is not going to run by itself.
const MANY_CRASHES: u32 = 3;
const REVISION: &str = "controller-revision-hash";

/// Asks all agents at once.
pub(super) async fn members(
    http: &reqwest::Client,
    plan: &Plan,
    set: Option<&StatefulSet>,
    pods: &[&Pod],
) -> Vec<Member> {
    let asked = (0..plan.replicas).map(|ordinal| async move {
        let name = names::mysql_member(&plan.deployment, ordinal);
        let pod = pods.iter().find(|pod| pod.name_any() == name).copied();
        let facts = match pod {
            Some(pod) => engine::ask(http, pod, ports::MYSQL_AGENT, &plan.token)
                .await
                .filter(|facts: &MemberFacts| facts.member == name),
            None => None,
        };
        Member {
            pod: pod.map(|pod| pod_fact(pod, set, facts.as_ref())),
            facts,
            name,
        }
    });
    join_all(asked).await
}

fn pod_fact(pod: &Pod, set: Option<&StatefulSet>, facts: Option<&MemberFacts>) -> PodFact {
    let status = set.and_then(|set| set.status.as_ref());
    let seen = set.is_some_and(|set| {
        status.and_then(|status| status.observed_generation) >= set.metadata.generation
    });
    let wanted = status.and_then(|status| status.update_revision.as_ref());
    PodFact {
        // Before the StatefulSet's controller has seen the new template, nobody knows.
        current: !seen || wanted.is_none() || pod.labels().get(REVISION) == wanted,
        terminating: pod.metadata.deletion_timestamp.is_some(),
        stuck: rollout::hindrance(&[pod]).is_some()
            || facts.is_some_and(|facts| facts.crashes >= MANY_CRASHES),
    }
}
