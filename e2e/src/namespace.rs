//! A namespace for each test: deleted when the test passes, kept and described when it fails.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::describe::describe;
use crate::{Cluster, Error, Result, wait};

/// Field manager of what the tests apply.
pub const MANAGER: &str = "chatbot-e2e";
/// Label of every namespace made here; the value is the run it was made in.
pub const RUN: &str = "e2e.chatbot.rs/run";
/// A namespace of an earlier run that is older than this was kept for somebody who is not coming.
const KEEP: Duration = Duration::from_secs(2 * 60 * 60);

/// A namespace in which every pod is held to the strictest standard.
#[derive(Clone)]
pub struct TestNamespace {
    /// The cluster.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
}

/// Runs a test in a namespace of its own.
///
/// # Errors
/// What the test fails with.
///
/// # Panics
/// When the test does.
pub async fn test(name: &str, body: impl AsyncFnOnce(&TestNamespace) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect().await?;
    sweep(&cluster).await?;
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("e2e-{name}-{}", unique.get(..6).unwrap_or_default());
    let namespace = TestNamespace::make(&cluster, &name).await?;
    let outcome = AssertUnwindSafe(body(&namespace)).catch_unwind().await;
    if matches!(outcome, Ok(Ok(()))) {
        return namespace.delete().await;
    }
    if let Ok(Err(error)) = &outcome {
        eprintln!("failed: {}", crate::error::chain(error));
    }
    eprintln!("{}", describe(&namespace).await);
    eprintln!(
        "namespace {} is kept: delete it when you have seen enough",
        namespace.name
    );
    match outcome {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Deletes what earlier runs kept.
async fn sweep(cluster: &Cluster) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let labelled = ListParams::default().labels(RUN);
    let list = namespaces
        .list(&labelled)
        .await
        .map_err(Error::kubernetes("list the namespaces of tests"))?;
    for namespace in list {
        let ours = namespace.labels().get(RUN) == Some(&cluster.settings.run);
        let shared = namespace.name_any().starts_with(crate::shared::PREFIX);
        let made = namespace.creation_timestamp().map(|time| time.0);
        let age = made.and_then(|made| Duration::try_from(made.duration_until(jiff_now())).ok());
        let old = age.is_some_and(|age| age > KEEP);
        if !ours && (old || shared) && namespace.meta().deletion_timestamp.is_none() {
            delete(cluster, &namespace.name_any()).await?;
        }
    }
    Ok(())
}

fn jiff_now() -> k8s_openapi::jiff::Timestamp {
    k8s_openapi::jiff::Timestamp::now()
}

async fn delete(cluster: &Cluster, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    match namespaces.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(Error::kubernetes(format!("delete namespace {name}"))(error)),
    }
}

impl TestNamespace {
    /// Makes a namespace, or takes the one of this name, and waits until pods can be made in it.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn make(cluster: &Cluster, name: &str) -> Result<Self> {
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let body = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {
                RUN: cluster.settings.run,
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
        });
        namespaces
            .patch(name, &PatchParams::apply(MANAGER), &Patch::Apply(body))
            .await
            .map_err(Error::kubernetes(format!("make namespace {name}")))?;
        let namespace = Self {
            cluster: cluster.clone(),
            name: name.to_owned(),
        };
        let accounts: Api<ServiceAccount> = namespace.api();
        let what = "the default ServiceAccount";
        wait::until(accounts, "default", what, wait::SHORT, |account| {
            account.map(|_| ()).ok_or_else(|| "none".to_owned())
        })
        .await?;
        Ok(namespace)
    }

    /// Starts to delete it; what is in it ends meanwhile.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete(&self) -> Result<()> {
        delete(&self.cluster, &self.name).await
    }

    /// Waits until it is gone.
    ///
    /// # Errors
    /// The limit is over.
    pub async fn gone(&self, limit: Duration) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.cluster.client.clone());
        wait::gone(namespaces, &self.name, limit).await
    }

    /// The objects of a kind in it.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// The objects of a kind with these labels (a selector in text form), by name.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn list<K>(&self, labels: &str) -> Result<Vec<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let list = self
            .api::<K>()
            .list(&ListParams::default().labels(labels))
            .await
            .map_err(Error::kubernetes(format!("list {}", K::plural(&()))))?;
        Ok(list.items)
    }

    /// Applies an object given as JSON without type and namespace.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn apply<K>(&self, name: &str, mut body: Value) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Serialize,
    {
        body["apiVersion"] = json!(K::api_version(&()));
        body["kind"] = json!(K::kind(&()));
        body["metadata"]["name"] = json!(name);
        let parameters = PatchParams::apply(MANAGER).force().validation_strict();
        self.api::<K>()
            .patch(name, &parameters, &Patch::Apply(body))
            .await
            .map_err(Error::kubernetes(format!("apply {} {name}", K::kind(&()))))
    }

    /// Makes a Secret of texts, or gives it new contents.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn secret(&self, name: &str, data: &[(&str, &str)]) -> Result<()> {
        let secrets: Api<Secret> = self.api();
        let texts: BTreeMap<String, String> = data
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            string_data: Some(texts),
            ..Secret::default()
        };
        let made = secrets.create(&PostParams::default(), &secret).await;
        let outcome = match made {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                secrets.replace(name, &PostParams::default(), &secret).await
            }
            made => made,
        };
        outcome
            .map(|_| ())
            .map_err(Error::kubernetes(format!("write Secret {name}")))
    }
}
