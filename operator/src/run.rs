//! Wires the operator: election, watches, a controller per component, probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_crds::{ChatbotDeployment, conditions};
use futures::future::{BoxFuture, FutureExt};
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::component::Component;
use crate::components::external_mysql::ExternalMysql;
use crate::components::identity::Identity;
use crate::components::load_balancer::LoadBalancer;
use crate::components::mail_server::MailServer;
use crate::components::migration::Migration;
use crate::components::workload::WorkloadComponent;
use crate::context::Context;
use crate::controller::{self, Reconciler};
use crate::documents::Documents;
use crate::http::{self, Health};
use crate::invalid;
use crate::kafka::Kafka;
use crate::labels::MANAGER;
use crate::lease::{Candidate, Leadership, Timings};
use crate::metrics::Metrics;
use crate::mysql::Mysql;
use crate::pipeline::Pipeline;
use crate::redis::Redis;
use crate::router::{Interest, Router};
use crate::settings::Settings;
use crate::summary::{Expected, Summary};
use crate::watch::{Scope, Watches};

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way to the API server could be found.
    #[error("failed to find the API server")]
    Configuration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address of probes and metrics is not to be had.
    #[error("failed to listen for probes")]
    Listen(#[source] std::io::Error),
    /// The Lease went to somebody else; the process ends, since nothing of it may act on.
    #[error("the lease is lost")]
    LeaseLost(#[source] crate::lease::Lost),
    /// A task that must run for ever ended.
    #[error("a task ended that must not end")]
    TaskEnded,
}

/// What must be ready for the whole to be ready, in the order of need.
fn expected() -> Vec<Expected> {
    let needed = |condition, name| Expected {
        condition,
        name,
        without: None,
    };
    let helpful = |condition, name, without| Expected {
        condition,
        name,
        without: Some(without),
    };
    vec![
        needed(conditions::IDENTITY_READY, "identity"),
        needed(conditions::MYSQL_READY, "mysql"),
        helpful(
            conditions::REDIS_READY,
            "redis",
            "each gateway keeps limits for itself, a stream is resumed only where it is made, and a token is refused only when it ends",
        ),
        helpful(
            conditions::KAFKA_READY,
            "kafka",
            "events wait in MySQL, and nobody is told what is new",
        ),
        helpful(
            conditions::DOCUMENTS_READY,
            "documents",
            "archives wait in the log of events, and nobody is told what was used",
        ),
        helpful(
            conditions::MAIL_READY,
            "mail",
            "mails wait in MySQL, and nobody's address is verified or password reset",
        ),
        needed(conditions::SCHEMA_READY, "migration"),
        needed(conditions::USER_READY, "user"),
        needed(conditions::STORAGE_READY, "storage"),
        needed(conditions::CHAT_READY, "chat"),
        needed(conditions::MODEL_READY, "model"),
        needed(conditions::GATEWAY_READY, "gateway"),
        needed(conditions::LOAD_BALANCER_READY, "load balancer"),
    ]
}

/// Adds a controller for every component, and the one that sums up.
fn controllers(client: &Client, all: &mut Controllers) {
    all.component(Identity, client);
    all.component(Mysql, client);
    all.component(ExternalMysql, client);
    all.component(Redis, client);
    all.component(Kafka, client);
    all.component(Documents, client);
    all.component(MailServer, client);
    all.component(Migration, client);
    for workload in Workload::ALL {
        all.component(WorkloadComponent(workload), client);
    }
    all.component(LoadBalancer, client);
    all.add(Summary::new(client.clone(), expected()));
}

/// Runs the operator until a signal comes or the Lease is lost.
///
/// # Errors
/// It could not start, or may not go on.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let client = client().await?;
    // Plain HTTP to pods of ours: no certificate authority is needed, and the image has none.
    let http = reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .map_err(|error| Error::Configuration(Box::new(error)))?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(Error::Listen)?;
    let health = Health {
        metrics: Arc::new(Metrics::new()),
        // A replica that waits for the Lease is as ready as it can be.
        ready: Arc::new(AtomicBool::new(true)),
    };
    let mut tasks = JoinSet::new();
    let pages = http::router(health.clone());
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            tracing::error!(error = &error as &dyn std::error::Error, "probes ended");
        }
    });
    let candidate = Candidate::new(
        client.clone(),
        &settings.lease_namespace,
        &settings.lease_name,
        &settings.identity,
        Timings::default(),
    );
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "waiting for the lease");
    let stop = stopped();
    tokio::pin!(stop);
    let leadership = tokio::select! {
        leadership = candidate.acquire() => leadership,
        () = &mut stop => return Ok(()),
        _ = tasks.join_next() => return Err(Error::TaskEnded),
    };
    tracing::info!("leading");
    health.metrics.set_leader(true);
    health.ready.store(false, Ordering::Relaxed);
    spawn_scopes(&mut tasks, &client, &http, settings, &health, &leadership);
    let result = tokio::select! {
        () = &mut stop => Ok(()),
        lost = candidate.keep(&leadership) => Err(Error::LeaseLost(lost)),
        _ = tasks.join_next() => Err(Error::TaskEnded),
    };
    // Nothing may act after the Lease is given back.
    tasks.shutdown().await;
    if !matches!(result, Err(Error::LeaseLost(_))) {
        let given_back = tokio::time::timeout(Duration::from_secs(3), candidate.release()).await;
        if !matches!(given_back, Ok(Ok(()))) {
            tracing::warn!("the lease could not be given back: it runs out by itself");
        }
    }
    result
}

async fn client() -> Result<Client, Error> {
    let config = kube::Config::infer()
        .await
        .map_err(|error| Error::Configuration(Box::new(error)))?;
    Client::try_from(config).map_err(|error| Error::Configuration(Box::new(error)))
}

fn spawn_scopes(
    tasks: &mut JoinSet<()>,
    client: &Client,
    http: &reqwest::Client,
    settings: Settings,
    health: &Health,
    leadership: &Leadership,
) {
    let namespaces: Vec<String> = settings
        .watch_namespaces
        .iter()
        .filter(|namespace| !namespace.is_empty())
        .cloned()
        .collect();
    let scopes = if namespaces.is_empty() {
        vec![Scope::All]
    } else {
        namespaces.into_iter().map(Scope::Namespace).collect()
    };
    let reporter = Reporter {
        controller: MANAGER.to_owned(),
        instance: Some(settings.identity.clone()),
    };
    let recorder = Recorder::new(client.clone(), reporter);
    let settings = Arc::new(settings);
    let unfilled = Arc::new(AtomicUsize::new(scopes.len()));
    for scope in scopes {
        let watches = Watches::new();
        let context = Context {
            client: client.clone(),
            settings: Arc::clone(&settings),
            stores: watches.stores.clone(),
            recorder: recorder.clone(),
            metrics: Arc::clone(&health.metrics),
            leadership: leadership.clone(),
            http: http.clone(),
        };
        let mut all = Controllers {
            context: context.clone(),
            router: Router::default(),
            futures: Vec::new(),
        };
        controllers(client, &mut all);
        let Controllers {
            router, futures, ..
        } = all;
        let router = Arc::new(router);
        let invalid = invalid::Reporter::new(client.clone(), recorder.clone());
        for watch in watches.start(client, &scope, &router, &invalid) {
            tasks.spawn(watch);
        }
        let stores = context.stores;
        let ready = Arc::clone(&health.ready);
        let unfilled = Arc::clone(&unfilled);
        tasks.spawn(async move {
            // A controller that sees half of what is there would make decisions on it. Nobody else
            // may wait for the caches: kube wakes one waiter only.
            if !stores.filled().await {
                return;
            }
            if unfilled.fetch_sub(1, Ordering::Relaxed) == 1 {
                tracing::info!("the caches are filled");
                ready.store(true, Ordering::Relaxed);
            }
            futures::future::join_all(futures).await;
        });
    }
}

/// The controllers of one scope.
struct Controllers {
    context: Context,
    router: Router,
    futures: Vec<BoxFuture<'static, ()>>,
}

impl Controllers {
    fn component<C: Component>(&mut self, component: C, client: &Client) {
        self.add(Pipeline::new(component, client.clone()));
    }

    fn add<R: Reconciler>(&mut self, reconciler: R) {
        let reconciler = Arc::new(reconciler);
        let reads = Arc::clone(&reconciler);
        let queue: futures::channel::mpsc::UnboundedReceiver<ObjectRef<ChatbotDeployment>> =
            self.router.add(Interest {
                component: reconciler.name(),
                writes: reconciler.writes(),
                sums_up: reconciler.sums_up(),
                references: Box::new(move |spec| reads.references(spec)),
            });
        let objects = self.context.stores.objects.clone();
        self.futures
            .push(controller::run(reconciler, self.context.clone(), objects, queue).boxed());
    }
}

/// Waits for a signal to stop.
async fn stopped() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received: only a kill will stop this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping");
}
