//! Limits in this process's memory: what counts where there is no Redis, or while it is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Ask, Counted};

/// Entries at which those that stand for nothing are removed first.
const MANY: usize = 10_000;

/// Counts of this process alone.
pub struct Local {
    epoch: Instant,
    counts: Mutex<Counts>,
}

struct Counts {
    /// Theoretical arrival times, in microseconds since the epoch.
    arrivals: HashMap<String, u64>,
    prune_at: usize,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            counts: Mutex::new(Counts {
                arrivals: HashMap::new(),
                prune_at: MANY,
            }),
        }
    }
}

impl Local {
    /// Takes all that is asked for, or nothing.
    pub fn take(&self, asks: &[Ask]) -> Counted {
        let now = self.now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ahead: Vec<u64> = asks.iter().map(|ask| counts.ahead(&ask.key, now)).collect();
        let granted = asks
            .iter()
            .zip(&ahead)
            .all(|(ask, ahead)| ask.rule.grants(*ahead, ask.cost));
        if granted {
            for (ask, ahead) in asks.iter().zip(&mut ahead) {
                *ahead = ask.rule.after(*ahead, ask.cost);
                counts.keep(&ask.key, *ahead, now);
            }
        }
        Counted { granted, ahead }
    }

    /// Adds what was done without having been asked for.
    pub fn charge(&self, ask: &Ask) {
        let now = self.now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = ask.rule.after(counts.ahead(&ask.key, now), ask.cost);
        counts.keep(&ask.key, ahead, now);
    }

    /// Gives back what was taken and not done.
    pub fn refund(&self, ask: &Ask) {
        let now = self.now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let back = ask.rule.after(0, ask.cost);
        let ahead = counts.ahead(&ask.key, now).saturating_sub(back);
        counts.keep(&ask.key, ahead, now);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Counts {
    fn ahead(&self, key: &str, now: u64) -> u64 {
        let arrival = self.arrivals.get(key).copied().unwrap_or(0);
        arrival.saturating_sub(now)
    }

    fn keep(&mut self, key: &str, ahead: u64, now: u64) {
        self.arrivals
            .insert(key.to_owned(), now.saturating_add(ahead));
        if self.arrivals.len() > self.prune_at {
            self.arrivals.retain(|_, arrival| *arrival > now);
            self.prune_at = MANY.max(2 * self.arrivals.len());
        }
    }
}
