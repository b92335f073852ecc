//! The operator that runs in the cluster: which replica acts, and how many there are.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::cluster::{OPERATOR, OPERATOR_NAMESPACE};
use crate::{Cluster, Error, Result, wait};

/// Name of its container.
pub const CONTAINER: &str = "operator";

/// The operator's pods.
#[must_use]
pub fn pods(cluster: &Cluster) -> Api<Pod> {
    Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE)
}

/// The operator's pods, as they are now.
///
/// # Errors
/// They cannot be read.
pub async fn list(cluster: &Cluster) -> Result<Vec<Pod>> {
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance={OPERATOR}"));
    let list = pods(cluster)
        .list(&ours)
        .await
        .map_err(Error::kubernetes("list the operator's pods"))?;
    Ok(list.items)
}

/// Waits until a replica other than this one holds the Lease; returns its pod's name.
///
/// # Errors
/// The limit is over.
pub async fn leader_besides(cluster: &Cluster, other: &str, limit: Duration) -> Result<String> {
    let what = format!("a leader besides {other}");
    wait::until(leases(cluster), OPERATOR, &what, limit, |lease| {
        let holder = holder(lease);
        if holder.is_empty() || holder == other {
            Err(format!("the Lease is held by {holder:?}"))
        } else {
            Ok(holder)
        }
    })
    .await
}

/// The pod of the replica that acts.
///
/// # Errors
/// There is none.
pub async fn leader(cluster: &Cluster) -> Result<Pod> {
    available(cluster).await?;
    let alive = list(cluster).await?;
    // Right after a crash the Lease still names a replica that is gone.
    let named = leases(cluster);
    wait::until(named, OPERATOR, "a leader", wait::SHORT, |lease| {
        let holder = holder(lease);
        alive
            .iter()
            .find(|pod| pod.metadata.name.as_ref() == Some(&holder))
            .cloned()
            .ok_or_else(|| format!("the Lease is held by {holder:?}"))
    })
    .await
}

fn leases(cluster: &Cluster) -> Api<Lease> {
    Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE)
}

fn holder(lease: Option<&Lease>) -> String {
    lease
        .and_then(|lease| lease.spec.as_ref()?.holder_identity.clone())
        .unwrap_or_default()
}

/// Sets the number of replicas and waits until there are so many, all of them ready.
///
/// # Errors
/// The limit is over.
pub async fn scale(cluster: &Cluster, replicas: i32) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let change = json!({"spec": {"replicas": replicas}});
    deployments
        .patch_scale(OPERATOR, &PatchParams::default(), &Patch::Merge(change))
        .await
        .map_err(Error::kubernetes("scale the operator"))?;
    let pods = list(cluster).await?;
    if replicas == 0 {
        for pod in pods {
            let name = pod.metadata.name.unwrap_or_default();
            wait::gone(self::pods(cluster), &name, wait::SHORT).await?;
        }
        return Ok(());
    }
    available(cluster).await
}

/// Waits until the operator's Deployment is rolled out and every replica is available.
///
/// # Errors
/// The limit is over.
pub async fn available(cluster: &Cluster) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    wait::until(
        deployments,
        OPERATOR,
        "the operator to be available",
        wait::SHORT,
        |deployment| {
            let deployment = deployment.ok_or("it does not exist")?;
            let status = deployment.status.clone().unwrap_or_default();
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let rolled_out = status.observed_generation == deployment.metadata.generation
                && status.updated_replicas == wanted
                && status.available_replicas == wanted
                && status.replicas == wanted;
            if rolled_out {
                Ok(())
            } else {
                Err(format!(
                    "{:?} wanted, {:?} updated, {:?} available",
                    wanted, status.updated_replicas, status.available_replicas
                ))
            }
        },
    )
    .await
}
