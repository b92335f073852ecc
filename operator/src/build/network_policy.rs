//! NetworkPolicies: who may speak with pods that believe everyone.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use crate::child::Child;

/// Lets pods of the same namespace with the labels of one of `peers` reach one port of the selected pods, everyone their
/// agent's (which wants a token), and nobody anything else. Probes come from the node, which no policy stops.
#[must_use]
pub fn only(
    name: &str,
    selector: &BTreeMap<String, String>,
    port: u16,
    peers: &[&BTreeMap<String, String>],
    agent: u16,
) -> Child {
    let labels = |labels: &BTreeMap<String, String>| LabelSelector {
        match_labels: Some(labels.clone()),
        ..LabelSelector::default()
    };
    let from = |peer: &BTreeMap<String, String>| NetworkPolicyPeer {
        pod_selector: Some(labels(peer)),
        ..NetworkPolicyPeer::default()
    };
    let ports = |port: u16| {
        Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(i32::from(port))),
            protocol: Some("TCP".to_owned()),
            ..NetworkPolicyPort::default()
        }])
    };
    Child::new(&NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels(selector)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                NetworkPolicyIngressRule {
                    from: Some(peers.iter().map(|peer| from(peer)).collect()),
                    ports: ports(port),
                },
                NetworkPolicyIngressRule {
                    from: None,
                    ports: ports(agent),
                },
            ]),
            ..NetworkPolicySpec::default()
        }),
    })
}
