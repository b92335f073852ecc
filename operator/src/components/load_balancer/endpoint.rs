//! The URL under which users reach the load balancer.

use chatbot_crds::ServiceType;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;

use super::{Plan, main_port};

/// The URL; `None` while there is none.
///
/// For a port of the nodes it is the address of a node that runs one of the pods: pods tell it, so
/// that the operator needs no right to read nodes. The one that was told before is kept as long as
/// it is right.
pub(super) fn endpoint(
    plan: &Plan,
    service: Option<&Service>,
    pods: &[&Pod],
    before: Option<&str>,
) -> Option<String> {
    let (scheme, port) = main_port(plan);
    let service = service?;
    let url = |host: &str, port: u16| {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        match (scheme, port) {
            ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
            _ => format!("{scheme}://{host}:{port}"),
        }
    };
    match plan.service.type_ {
        ServiceType::ClusterIP => {
            let inside = format!("{}.{}.svc", service.name_any(), plan.namespace);
            Some(url(plan.host.as_deref().unwrap_or(&inside), port))
        }
        ServiceType::LoadBalancer => {
            let ingress = service
                .status
                .as_ref()?
                .load_balancer
                .as_ref()?
                .ingress
                .as_ref()?
                .first()?;
            let address = ingress.hostname.as_deref().or(ingress.ip.as_deref())?;
            Some(url(plan.host.as_deref().unwrap_or(address), port))
        }
        ServiceType::NodePort => {
            let node_port = service
                .spec
                .as_ref()?
                .ports
                .iter()
                .flatten()
                .find(|candidate| candidate.port == i32::from(port))?
                .node_port?;
            let node_port = u16::try_from(node_port).ok()?;
            let mut urls: Vec<String> = pods
                .iter()
                .filter_map(|pod| pod.status.as_ref()?.host_ip.as_deref())
                .map(|node| url(plan.host.as_deref().unwrap_or(node), node_port))
                .collect();
            urls.sort();
            before
                .filter(|before| urls.iter().any(|url| url == before))
                .map(str::to_owned)
                .or_else(|| urls.into_iter().next())
        }
    }
}
