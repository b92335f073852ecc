//! Runs a workload: serves, tells probes the truth, and ends in order when it is asked to.
//!
//! The order of the end: not ready at once; serving goes on for the drain, until load balancers have
//! noticed; then no new connection is taken, idle ones are closed, and what still runs may end.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use chatbot_contract::{SHUTDOWN_SECONDS, paths};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::layers;
use crate::metrics::CONTENT_TYPE;

/// What a workload is, once it is wired: its interface, and what runs beside it.
#[must_use = "a service does nothing before it is run"]
pub struct Service {
    router: Router,
    background: Vec<(&'static str, Task)>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The sockets of a process.
pub struct Listeners {
    /// The interface.
    pub interface: TcpListener,
    /// Probes, metrics and report, where somebody wants them.
    pub admin: Option<TcpListener>,
}

/// Why a service ended, other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A socket failed.
    #[error("failed to serve {interface}")]
    Socket {
        /// Which interface.
        interface: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A task that lives as long as the process ended.
    #[error("the task \"{0}\" ended")]
    TaskEnded(&'static str),
    /// A task panicked.
    #[error("a background task panicked")]
    TaskPanicked(#[from] tokio::task::JoinError),
}

impl Service {
    /// Makes a service of a workload's routes.
    pub fn new(router: Router) -> Self {
        Self {
            router,
            background: Vec::new(),
        }
    }

    /// Adds a task that lives as long as the process; its end is an error.
    pub fn background(
        mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.background.push((name, Box::pin(task)));
        self
    }

    /// The interface with its layers, for callers in the same process.
    pub fn interface(&self, context: &Context) -> Router {
        layers::wrap(self.router.clone(), context)
    }

    /// Runs what runs beside `other`, too; its interface is left to [`Service::interface`].
    pub fn beside(mut self, other: Self) -> Self {
        self.background.extend(other.background);
        self
    }
}

/// Runs `service` until `stop` comes true, then for `drain`, then until running requests have
/// ended, at most [`SHUTDOWN_SECONDS`].
///
/// # Errors
/// Fails when a socket or a background task fails.
pub async fn run(
    listeners: Listeners,
    service: Service,
    context: Context,
    drain: Duration,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let router = service.interface(&context);
    let Listeners { interface, admin } = listeners;
    let shutdown = context.shutdown.clone();

    let mut tasks = JoinSet::new();
    for (name, task) in service.background {
        tasks.spawn(async move {
            task.await;
            ServeError::TaskEnded(name)
        });
    }
    if let Some(admin) = admin {
        let probes = admin_router(context);
        tasks.spawn(async move {
            match axum::serve(admin, probes).await {
                Ok(()) => ServeError::TaskEnded("admin interface"),
                Err(source) => ServeError::Socket {
                    interface: "the admin interface",
                    source,
                },
            }
        });
    }

    let stopping = shutdown.clone();
    let serving = axum::serve(
        interface.tap_io(|stream| {
            // Tokens are small and must not wait for each other (Nagle's algorithm).
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(error = error.to_string(), "failed to set TCP_NODELAY");
            }
        }),
        // Handlers may ask for the address of the client.
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move { stopping.stopping().await })
    .into_future();

    let ending = async {
        stop.await;
        tracing::info!(
            seconds = drain.as_secs(),
            "stopping: serving on until load balancers have noticed"
        );
        shutdown.drain();
        tokio::time::sleep(drain).await;
        tracing::info!("stopping: waiting for running requests");
        shutdown.stop();
        tokio::time::sleep(Duration::from_secs(SHUTDOWN_SECONDS)).await;
    };
    let served = async {
        serving.await.map_err(|source| ServeError::Socket {
            interface: "the interface",
            source,
        })?;
        shutdown.sessions_ended().await;
        Ok::<_, ServeError>(())
    };
    let failing = async {
        match tasks.join_next().await {
            Some(Ok(error)) => error,
            Some(Err(panic)) => panic.into(),
            None => pending().await,
        }
    };
    let ended = tokio::select! {
        result = served => result,
        error = failing => Err(error),
        () = ending => {
            tracing::warn!("requests that still run are cut");
            Ok(())
        }
    };
    // Whoever called closes next what they hold.
    tasks.shutdown().await;
    tracing::info!("stopped");
    ended
}

fn admin_router(context: Context) -> Router {
    Router::new()
        // It answers, so the process makes progress.
        .route(paths::LIVEZ, get(|| async { "ok" }))
        .route(paths::READYZ, get(readyz))
        .route(paths::METRICS, get(metrics))
        .route(paths::REPORT, get(report))
        .with_state(context)
}

async fn readyz(State(context): State<Context>) -> impl IntoResponse {
    match context.health.unready() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, CONTENT_TYPE)],
        context.metrics.text(),
    )
}

async fn report(State(context): State<Context>) -> impl IntoResponse {
    Json(context.health.dependencies())
}
