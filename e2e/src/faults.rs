//! Faults: what a cluster does to pods, and what a machine does to processes.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

use crate::{Cluster, Error, Result, System, TestNamespace, command, wait};

/// A signal for a container's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ends it at once, and with it every process of the container: a crash.
    Kill,
    /// Stops it where it is: a machine that hangs.
    Stop,
    /// Lets it go on.
    Continue,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Stop => "SIGSTOP",
            Self::Continue => "SIGCONT",
        }
    }
}

/// Deletes a pod the usual way: its program is asked to end.
///
/// # Errors
/// The API server refuses.
pub async fn delete_pod(pods: &Api<Pod>, name: &str) -> Result<()> {
    pods.delete(name, &DeleteParams::default())
        .await
        .map(|_| ())
        .map_err(Error::kubernetes(format!("delete pod {name}")))
}

/// Deletes a pod without a grace period, waiting for nothing.
///
/// # Errors
/// The API server refuses.
pub async fn delete_pod_now(pods: &Api<Pod>, name: &str) -> Result<()> {
    pods.delete(name, &DeleteParams::default().grace_period(0))
        .await
        .map(|_| ())
        .map_err(Error::kubernetes(format!("delete pod {name} now")))
}

/// Sends a signal to the first process of a container, past Kubernetes.
///
/// # Errors
/// The container does not run, or its node's containerd is not reached.
pub async fn signal(cluster: &Cluster, pod: &Pod, container: &str, signal: Signal) -> Result<()> {
    let name = pod.name_any();
    let (node, id) = running_container(pod, container)
        .ok_or_else(|| Error::Wrong(format!("container {container} of pod {name} does not run")))?;
    let kill = [
        "--namespace",
        "k8s.io",
        "tasks",
        "kill",
        "-s",
        signal.name(),
        &id,
    ];
    let socket = cluster.settings.state.join(&node).join("containerd.sock");
    if socket.exists() {
        let socket = socket.to_string_lossy();
        let arguments: Vec<&str> = ["--address", &socket].into_iter().chain(kill).collect();
        command::run("ctr", &arguments).await?;
    } else {
        // A node of kind is a container.
        let arguments: Vec<&str> = ["exec", &node, "ctr"].into_iter().chain(kill).collect();
        command::run("docker", &arguments).await?;
    }
    Ok(())
}

/// Crashes a container, and waits until it was started again and its pod is ready: what serves was another
/// process before.
///
/// # Errors
/// The container does not run, its node's containerd is not reached, or the limit is over.
pub async fn crash(cluster: &Cluster, pods: &Api<Pod>, pod: &Pod, container: &str) -> Result<()> {
    let name = pod.name_any();
    let before = running_container(pod, container);
    signal(cluster, pod, container, Signal::Kill).await?;
    let what = format!("container {container} of pod {name} to run again");
    wait::until(pods.clone(), &name, &what, wait::LONG, |pod| match pod {
        Some(pod) if is_ready(pod) && running_container(pod, container) != before => Ok(()),
        Some(pod) => Err(crate::describe::pod_line(pod)),
        None => Err("it does not exist".to_owned()),
    })
    .await
}

/// Crashes a container of each pod of a component at the same moment, and waits until all are ready again.
///
/// # Errors
/// As [`crash`].
pub async fn crash_all(system: &System, component: &str, container: &str) -> Result<()> {
    let pods: Api<Pod> = system.namespace.api();
    let all = system.pods(component).await?;
    let crashes = all
        .iter()
        .map(|pod| crash(&system.namespace.cluster, &pods, pod, container));
    try_join_all(crashes).await.map(|_| ())
}

/// Crashes a container of the pod of this name, and waits until it is ready again.
///
/// # Errors
/// As [`crash`], or there is no such pod.
pub async fn crash_named(system: &System, name: &str, container: &str) -> Result<()> {
    let pods: Api<Pod> = system.namespace.api();
    let pod = pods
        .get(name)
        .await
        .map_err(Error::kubernetes(format!("read pod {name}")))?;
    crash(&system.namespace.cluster, &pods, &pod, container).await
}

fn running_container(pod: &Pod, container: &str) -> Option<(String, String)> {
    let node = pod.spec.as_ref()?.node_name.clone()?;
    let statuses = pod.status.as_ref()?;
    // A sidecar stands among the init containers.
    let mut all = statuses
        .container_statuses
        .iter()
        .chain(&statuses.init_container_statuses)
        .flatten();
    let status = all.find(|status| status.name == container)?;
    status.state.as_ref()?.running.as_ref()?;
    let id = status
        .container_id
        .as_ref()?
        .strip_prefix("containerd://")?;
    Some((node, id.to_owned()))
}

/// Takes a StatefulSet's pod and its volume away at once, and waits until another pod is ready on another volume: a
/// machine that is gone with its disk.
///
/// # Errors
/// The API server refuses, or the limit is over.
pub async fn lose_volume(namespace: &TestNamespace, pod: &str) -> Result<()> {
    let (pods, claims) = (
        namespace.api::<Pod>(),
        namespace.api::<PersistentVolumeClaim>(),
    );
    let claim = format!("data-{pod}");
    let read = |what: &str| Error::kubernetes(format!("read {what}"));
    let uid = pods.get(pod).await.map_err(read(pod))?.uid();
    let lost = claims.get(&claim).await.map_err(read(&claim))?.uid();
    // A claim in use goes when its pod is gone.
    claims
        .delete(&claim, &DeleteParams::default())
        .await
        .map_err(Error::kubernetes(format!("delete claim {claim}")))?;
    delete_pod_now(&pods, pod).await?;
    wait::until(
        claims,
        &claim,
        "another volume",
        wait::LONG,
        |claim| match claim {
            Some(claim) if claim.uid() != lost => Ok(()),
            Some(_) => Err("the old one is there".to_owned()),
            None => Err("there is none".to_owned()),
        },
    )
    .await?;
    replaced(&pods, pod, uid.as_deref()).await.map(|_| ())
}

/// Waits until a pod of this name is ready, and is not the one with this uid.
///
/// # Errors
/// The limit is over.
pub async fn replaced(pods: &Api<Pod>, name: &str, uid: Option<&str>) -> Result<Pod> {
    let what = format!("a new pod {name} to be ready");
    wait::until(pods.clone(), name, &what, wait::LONG, |pod| match pod {
        Some(pod) if pod.metadata.uid.as_deref() != uid && is_ready(pod) => Ok(pod.clone()),
        Some(pod) => Err(crate::describe::pod_line(pod)),
        None => Err("it does not exist".to_owned()),
    })
    .await
}

/// Whether a pod is ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref())
            .is_some_and(|conditions| {
                conditions
                    .iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            })
}

/// How often each container of some pods was started again, those of a pod that is new counted as 0.
#[must_use]
pub fn restarts(pods: &[Pod]) -> BTreeMap<String, i32> {
    pods.iter()
        .map(|pod| {
            let statuses = pod
                .status
                .iter()
                .filter_map(|status| status.container_statuses.as_ref());
            let count = statuses.flatten().map(|status| status.restart_count).sum();
            (pod.name_any(), count)
        })
        .collect()
}
