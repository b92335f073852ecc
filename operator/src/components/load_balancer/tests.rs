//! What the load balancer is made of, and where it is reached.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::{Value, json};

use super::*;
use crate::testing::{facts, facts_with};

fn plan(load_balancer: &Value) -> Plan {
    let facts = facts_with(
        json!({"llm": {"provider": "Echo"}, "loadBalancer": load_balancer}),
        &[("cert", &[("tls.crt", "c"), ("tls.key", "k")])],
    );
    LoadBalancer.validate(&facts).unwrap()
}

fn built(plan: &Plan) -> Vec<(String, Value)> {
    LoadBalancer
        .build(plan)
        .into_iter()
        .map(|child| (child.resource.kind, child.body))
        .collect()
}

fn url(load_balancer: &Value, service: &Value, pods: &[Value]) -> Option<String> {
    let service: Service = serde_json::from_value(service.clone()).unwrap();
    let pods: Vec<Pod> = pods
        .iter()
        .map(|pod| serde_json::from_value(pod.clone()).unwrap())
        .collect();
    endpoint::endpoint(
        &plan(load_balancer),
        Some(&service),
        &pods.iter().collect::<Vec<_>>(),
        None,
    )
}

#[test]
fn plain_http_is_these_objects() {
    insta::assert_yaml_snapshot!(built(&plan(&json!({"service": {"type": "NodePort"}}))));
}

#[test]
fn tls_is_these_objects() {
    insta::assert_yaml_snapshot!(built(&plan(
        &json!({"host": "chat.example.org", "tls": {"secretName": "cert"}, "replicas": 1})
    )));
}

#[test]
fn a_new_certificate_rolls_the_pods() {
    let mut renewed = plan(&json!({"tls": {"secretName": "cert"}}));
    let before = built(&renewed);
    renewed.tls.as_mut().unwrap().content = b"other".to_vec();
    assert_ne!(before, built(&renewed));
}

#[test]
fn a_missing_certificate_is_named() {
    let facts = facts(json!({
        "llm": {"provider": "Echo"}, "loadBalancer": {"tls": {"secretName": "absent"}},
    }));
    let problem = LoadBalancer.validate(&facts).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretMissing);
    assert!(problem.message.contains("Secret absent"));
}

#[test]
fn the_url_is_that_of_the_service_inside_the_cluster() {
    let service = json!({"metadata": {"name": "shop-load-balancer"}});
    assert_eq!(
        url(&json!({}), &service, &[]).unwrap(),
        "http://shop-load-balancer.default.svc"
    );
}

#[test]
fn the_url_of_a_node_port_is_a_node_that_runs_a_pod() {
    let service =
        json!({"metadata": {"name": "x"}, "spec": {"ports": [{"port": 80, "nodePort": 30080}]}});
    let pods = [
        json!({"status": {"hostIP": "198.18.0.12"}}),
        json!({"status": {"hostIP": "198.18.0.11"}}),
    ];
    let spec = json!({"service": {"type": "NodePort"}});
    assert_eq!(
        url(&spec, &service, &pods).unwrap(),
        "http://198.18.0.11:30080"
    );
    assert_eq!(url(&spec, &service, &[]), None);
}

#[test]
fn the_url_of_a_cloud_load_balancer_is_its_address_or_the_host() {
    let service = json!({
        "metadata": {"name": "x"},
        "status": {"loadBalancer": {"ingress": [{"ip": "2001:db8::1"}]}},
    });
    let spec = json!({"service": {"type": "LoadBalancer"}});
    assert_eq!(url(&spec, &service, &[]).unwrap(), "http://[2001:db8::1]");
    let spec = json!({"service": {"type": "LoadBalancer"}, "host": "chat.example.org", "tls": {"secretName": "cert"}});
    assert_eq!(
        url(&spec, &service, &[]).unwrap(),
        "https://chat.example.org"
    );
}
