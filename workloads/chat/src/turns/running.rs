//! The turns that this process answers now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::log::Log;

/// The logs of running turns.
#[derive(Clone, Default)]
pub(super) struct Running {
    logs: Arc<Mutex<HashMap<Uuid, Arc<Log>>>>,
}

/// A turn is known as long as this lives.
#[must_use = "the turn is known as long as this lives"]
pub(super) struct Registered {
    running: Running,
    turn: Uuid,
    log: Arc<Log>,
}

impl Running {
    /// Makes a turn known; a newer attempt takes the place of an older one.
    pub(super) fn register(&self, turn: Uuid, log: &Arc<Log>) -> Registered {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = logs
            .get(&turn)
            .is_none_or(|known| known.attempt() < log.attempt());
        if newest {
            logs.insert(turn, Arc::clone(log));
        }
        Registered {
            running: self.clone(),
            turn,
            log: Arc::clone(log),
        }
    }

    /// The log of a turn.
    pub(super) fn get(&self, turn: Uuid) -> Option<Arc<Log>> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(&turn).cloned()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut logs = self
            .running
            .logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if logs
            .get(&self.turn)
            .is_some_and(|log| Arc::ptr_eq(log, &self.log))
        {
            logs.remove(&self.turn);
        }
    }
}
