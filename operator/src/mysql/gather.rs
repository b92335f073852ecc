//! Reads what counts of the declared members: their pods, and what their agents tell.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chatbot_contract::ports;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::decide::{Member, PodFact};
use super::facts::{self, MemberFacts};
use super::plan::Plan;
use crate::{names, rollout};

/// An agent answers at once, or its node does not.
const LIMIT: Duration = Duration::from_secs(2);
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
            Some(pod) => ask(http, plan, pod)
                .await
                .filter(|facts| facts.member == name),
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

async fn ask(http: &reqwest::Client, plan: &Plan, pod: &Pod) -> Option<MemberFacts> {
    let address: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let address = SocketAddr::new(address, ports::MYSQL_AGENT);
    let answer = http
        .get(format!("http://{address}{}", facts::PATH))
        .bearer_auth(&plan.token)
        .timeout(LIMIT)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    match answer {
        Ok(response) => response.json().await.ok(),
        Err(error) => {
            tracing::debug!(pod = pod.name_any(), %error, "an agent does not answer");
            None
        }
    }
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
