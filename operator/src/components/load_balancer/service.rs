//! The Service in front of the load balancer.

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use kube::api::ObjectMeta;

use super::{Plan, main_port};
use crate::build::service::port_named;
use crate::child::Child;
use crate::{labels, names};

use chatbot_crds::ServiceType;

/// Makes the Service: port 80, and 443 where there is TLS; `nodePort` is the main one's.
pub(super) fn service(plan: &Plan) -> Child {
    let chatbot_crds::ServiceSpec {
        type_,
        annotations,
        node_port,
    } = &plan.service;
    let type_ = match type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    let (main, number) = main_port(plan);
    let mut ports = vec![port_named(main, number, main, *node_port)];
    if plan.tls.is_some() {
        ports.push(port_named("http", 80, "http", None));
    }
    Child::new(&Service {
        metadata: ObjectMeta {
            name: Some(names::of(&plan.deployment, names::LOAD_BALANCER)),
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            selector: Some(labels::selector(&plan.deployment, names::LOAD_BALANCER)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}
