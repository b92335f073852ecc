//! What a running process hands to its workload.

use chatbot_contract::Workload;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::health::Health;
use crate::metrics::Metrics;

/// The process around a workload. Clones share everything.
#[derive(Clone)]
pub struct Context {
    /// Which workload runs.
    pub workload: Workload,
    /// Where it registers its metrics.
    pub metrics: Metrics,
    /// Where it says whether it is ready and how its dependencies are.
    pub health: Health,
    /// How it learns that the process is about to end.
    pub shutdown: Shutdown,
}

impl Context {
    /// Makes the context of one process.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        let shutdown = Shutdown::default();
        Self {
            workload,
            metrics: Metrics::new(workload),
            health: Health::new(shutdown.clone()),
            shutdown,
        }
    }
}

/// The two moments of an orderly end, and the sessions it waits for.
#[derive(Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    stopping: CancellationToken,
    sessions: TaskTracker,
}

impl Shutdown {
    /// Whether a stop was asked for: requests are still served, and connections are told to close.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until the drain is over: long-lived sessions should come to their end now.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Work that is no request (a WebSocket session); the process waits for it, bounded, while
    /// the token lives.
    #[must_use = "the process waits as long as the token lives"]
    pub fn session(&self) -> Session {
        Session {
            _token: self.sessions.token(),
        }
    }

    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        self.sessions.close();
    }

    pub(crate) async fn sessions_ended(&self) {
        self.sessions.wait().await;
    }
}

/// A session the process waits for.
pub struct Session {
    _token: tokio_util::task::task_tracker::TaskTrackerToken,
}
