//! Whether this process is ready, and how it sees its dependencies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chatbot_contract::report::{Dependency, DependencyName, DependencyState, Report};

use crate::context::Shutdown;

/// Readiness and report of one process. Clones share them.
///
/// A process is ready when every gate was opened once and no stop was asked for. A dependency that
/// goes away later does not make it unready: all replicas would become unready at once, and users
/// would meet a closed door instead of a request that waits for the failover.
#[derive(Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
    shutdown: Shutdown,
}

#[derive(Default)]
struct State {
    closed_gates: Vec<&'static str>,
    dependencies: BTreeMap<DependencyName, Dependency>,
}

/// Something that must have happened before the process is ready.
#[must_use = "the process is not ready before the gate is opened"]
pub struct Gate {
    name: &'static str,
    state: Arc<Mutex<State>>,
}

impl Health {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self {
            state: Arc::default(),
            shutdown,
        }
    }

    /// Adds a condition of readiness; `name` says to a person what is waited for.
    pub fn gate(&self, name: &'static str) -> Gate {
        lock(&self.state).closed_gates.push(name);
        Gate {
            name,
            state: Arc::clone(&self.state),
        }
    }

    /// Says how a dependency is, and logs a change.
    pub fn report(&self, seen: Dependency) {
        let mut state = lock(&self.state);
        let before = state
            .dependencies
            .get(&seen.name)
            .map(|dependency| dependency.state);
        if before != Some(seen.state) {
            let (name, now) = (seen.name, seen.state);
            if now == DependencyState::Ok {
                tracing::info!(dependency = ?name, message = seen.message);
            } else {
                tracing::warn!(dependency = ?name, state = ?now, message = seen.message);
            }
        }
        state.dependencies.insert(seen.name, seen);
    }

    /// Everything that was said about dependencies.
    #[must_use]
    pub fn dependencies(&self) -> Report {
        Report {
            dependencies: lock(&self.state).dependencies.values().cloned().collect(),
        }
    }

    /// Why the process is not ready; nothing when it is.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        if self.shutdown.is_draining() {
            return Some("the process is stopping".to_owned());
        }
        let state = lock(&self.state);
        let first = state.closed_gates.first()?;
        Some(format!("waiting for {first}"))
    }
}

impl Gate {
    /// Lets the process be ready, as far as this gate is concerned. Opening it again changes nothing.
    pub fn open(&self) {
        lock(&self.state)
            .closed_gates
            .retain(|name| *name != self.name);
    }
}

/// No code that holds the lock can leave half a change, so a poisoned lock is as good as any.
fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use chatbot_contract::report::{Dependency, DependencyName, DependencyState};

    use super::Health;
    use crate::context::Shutdown;

    #[test]
    fn a_process_is_ready_when_every_gate_is_open() {
        let health = Health::new(Shutdown::default());
        assert_eq!(health.unready(), None);
        let (keys, mysql) = (health.gate("the key set"), health.gate("MySQL"));
        keys.open();
        assert_eq!(health.unready().as_deref(), Some("waiting for MySQL"));
        mysql.open();
        assert_eq!(health.unready(), None);
    }

    #[test]
    fn a_stopping_process_is_not_ready() {
        let shutdown = Shutdown::default();
        let health = Health::new(shutdown.clone());
        shutdown.drain();
        assert!(health.unready().is_some());
    }

    #[test]
    fn the_report_holds_the_last_word_about_each_dependency() {
        let health = Health::new(Shutdown::default());
        for state in [DependencyState::Unreachable, DependencyState::Ok] {
            let message = "it was tried".to_owned();
            health.report(Dependency {
                name: DependencyName::Model,
                state,
                message,
            });
        }
        let report = health.dependencies();
        assert_eq!(report.dependencies.len(), 1);
        assert_eq!(report.dependencies[0].state, DependencyState::Ok);
    }
}
