//! Services: a name and an address for the pods of a component.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use crate::child::Child;

/// A Service inside the cluster with one port, whose number is the container's.
#[must_use]
pub fn internal(name: &str, selector: BTreeMap<String, String>, port: u16) -> Child {
    internal_to(name, selector, port_named("http", port, "http", None))
}

/// A Service inside the cluster with this port.
#[must_use]
pub fn internal_to(name: &str, selector: BTreeMap<String, String>, port: ServicePort) -> Child {
    Child::new(&Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

/// Label that a StatefulSet gives each of its pods.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// The address of an engine's member, named as its pod is, also while the member is not ready: members must reach each
/// other to become so. It stays while pods come and go with other addresses.
#[must_use]
pub fn member_service(
    member: String,
    mut selector: BTreeMap<String, String>,
    ports: Vec<ServicePort>,
) -> Child {
    selector.insert(POD_NAME.to_owned(), member.clone());
    Child::new(&Service {
        metadata: ObjectMeta {
            name: Some(member),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

/// A port of a Service that leads to a container's port by its name.
#[must_use]
pub fn port_named(name: &str, port: u16, target: &str, node_port: Option<i32>) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(port),
        target_port: Some(IntOrString::String(target.to_owned())),
        node_port,
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
