//! The watches: they fill the caches and tell the router what changed.

use std::fmt::Debug;
use std::sync::Arc;

use chatbot_crds::ChatbotDeployment;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::invalid;
use crate::labels;
use crate::router::Router;
use crate::stores::Stores;

/// Where the operator looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace.
    All,
    /// In this one.
    Namespace(String),
}

impl Scope {
    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match self {
            Self::All => Api::all(client.clone()),
            Self::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        }
    }
}

/// The watches of one scope: each is a future that never ends.
pub struct Watches {
    /// The caches that the watches fill.
    pub stores: Stores,
    writers: Writers,
}

struct Writers {
    objects: Writer<ChatbotDeployment>,
    children: Vec<Box<dyn FnOnce(Start) -> BoxFuture<'static, ()> + Send>>,
}

#[derive(Clone)]
struct Start {
    client: Client,
    scope: Scope,
    router: Arc<Router>,
    objects: Store<ChatbotDeployment>,
}

impl Watches {
    /// Prepares the caches.
    #[must_use]
    pub fn new() -> Self {
        let (objects, writer) = reflector::store();
        let mut writers = Writers {
            objects: writer,
            children: Vec::new(),
        };
        let stores = Stores {
            objects,
            deployments: writers.child(),
            stateful_sets: writers.child(),
            jobs: writers.child(),
            pods: writers.child(),
            services: writers.child(),
            claims: writers.child(),
            config_maps: writers.child(),
            accounts: writers.child(),
            budgets: writers.child(),
            policies: writers.child(),
        };
        Self { stores, writers }
    }

    /// Starts to watch: every future must be polled.
    #[must_use = "the watches run only while they are polled"]
    pub fn start(
        self,
        client: &Client,
        scope: &Scope,
        router: &Arc<Router>,
        reporter: &invalid::Reporter,
    ) -> Vec<BoxFuture<'static, ()>> {
        let start = Start {
            client: client.clone(),
            scope: scope.clone(),
            router: Arc::clone(router),
            objects: self.stores.objects.clone(),
        };
        let mut all: Vec<_> = self
            .writers
            .children
            .into_iter()
            .map(|watch| watch(start.clone()))
            .collect();
        all.push(objects(start.clone(), self.writers.objects, reporter.clone()).boxed());
        all.push(secrets(start.clone()).boxed());
        all.push(storage_classes(start).boxed());
        all
    }
}

impl Default for Watches {
    fn default() -> Self {
        Self::new()
    }
}

impl Writers {
    fn child<K>(&mut self) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let (store, writer) = reflector::store();
        self.children
            .push(Box::new(move |start| children(start, writer).boxed()));
        store
    }
}

async fn children<K>(start: Start, mut writer: Writer<K>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let ours = format!("{}={}", labels::MANAGED_BY, labels::MANAGER);
    let config = watcher::Config::default().labels(&ours);
    let mut events = watcher(start.scope.api::<K>(&start.client), config)
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let event = event.modify(prune);
                writer.apply_watcher_event(&event);
                match &event {
                    Event::Apply(child) | Event::Delete(child) => start.router.child(child),
                    // What was deleted while nobody watched is told by no event.
                    Event::InitDone => start.router.everything(&start.objects),
                    Event::Init | Event::InitApply(_) => {}
                }
            }
            Err(error) => failed(&K::kind(&()), &error),
        }
    }
}

async fn objects(start: Start, mut writer: Writer<ChatbotDeployment>, reporter: invalid::Reporter) {
    let api: Api<DeserializeGuard<ChatbotDeployment>> = start.scope.api(&start.client);
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => writer.apply_watcher_event(&Event::Init),
            Ok(Event::InitApply(DeserializeGuard(Ok(object)))) => {
                writer.apply_watcher_event(&Event::InitApply(object).modify(prune));
            }
            Ok(Event::InitDone) => {
                writer.apply_watcher_event(&Event::InitDone);
                for object in start.objects.state() {
                    start.router.object(&object);
                }
            }
            Ok(Event::Apply(DeserializeGuard(Ok(object)))) => {
                let event = Event::Apply(object).modify(prune);
                writer.apply_watcher_event(&event);
                if let Event::Apply(object) = event {
                    start.router.object(&object);
                }
            }
            Ok(Event::Delete(DeserializeGuard(Ok(object)))) => {
                let reference = ObjectRef::from_obj(&object);
                writer.apply_watcher_event(&Event::Delete(object));
                start.router.gone(&reference);
            }
            // What exists of an object that can no longer be read is left as it is.
            Ok(Event::InitApply(DeserializeGuard(Err(object)))) => reporter.report(&object).await,
            Ok(Event::Apply(DeserializeGuard(Err(object)))) => {
                forget(&start, &mut writer, &object.metadata);
                reporter.report(&object).await;
            }
            Ok(Event::Delete(DeserializeGuard(Err(object)))) => {
                forget(&start, &mut writer, &object.metadata);
            }
            Err(error) => failed("ChatbotDeployment", &error),
        }
    }
}

fn forget(
    start: &Start,
    writer: &mut Writer<ChatbotDeployment>,
    metadata: &kube::core::ObjectMeta,
) {
    let mut reference = ObjectRef::new(metadata.name.as_deref().unwrap_or_default());
    reference.namespace.clone_from(&metadata.namespace);
    if let Some(known) = start.objects.get(&reference) {
        writer.apply_watcher_event(&Event::Delete(known.as_ref().clone()));
    }
    start.router.gone(&reference);
}

/// Secrets are watched by their metadata and not kept: only that one changed matters here.
async fn secrets(start: Start) {
    let api: Api<PartialObjectMeta<Secret>> = start.scope.api(&start.client);
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(secret) | Event::Delete(secret)) => {
                let namespace = secret.namespace().unwrap_or_default();
                start
                    .router
                    .secret(&start.objects, &namespace, &secret.name_any());
            }
            Ok(Event::InitDone) => start.router.everything(&start.objects),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => failed("Secret", &error),
        }
    }
}

/// StorageClasses belong to the cluster: an operator that may see namespaces only does without.
async fn storage_classes(start: Start) {
    let api: Api<PartialObjectMeta<StorageClass>> = Api::all(start.client.clone());
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(_) | Event::Delete(_)) => start.router.storage_class(&start.objects),
            Ok(_) => {}
            Err(error) if is_forbidden(&error) => {
                tracing::info!("storage classes may not be watched: they are not checked");
                return std::future::pending().await;
            }
            Err(error) => failed("StorageClass", &error),
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    let source = match error {
        watcher::Error::InitialListFailed(source)
        | watcher::Error::WatchStartFailed(source)
        | watcher::Error::WatchFailed(source) => source,
        _ => return false,
    };
    matches!(source, kube::Error::Api(status) if status.code == 403)
}

fn failed(kind: &str, error: &watcher::Error) {
    tracing::warn!(
        kind,
        error = error as &dyn std::error::Error,
        "watch failed, starting it again"
    );
}

/// Drops what nobody here reads and what is large.
fn prune<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
    object
        .annotations_mut()
        .remove("kubectl.kubernetes.io/last-applied-configuration");
}
