//! Ends of a server that nobody asked for: it is started again after a pause that grows.

use std::time::{Duration, Instant};

use super::children::Exit;

/// Longest pause before a server that crashes is started again.
const LONGEST: Duration = Duration::from_secs(30);

/// The ends of one server.
pub(crate) struct Crashes {
    shortest: Duration,
    in_a_row: u32,
    not_before: Instant,
}

impl Crashes {
    /// None yet; the pause after the first one is this.
    pub(crate) fn none(shortest: Duration) -> Self {
        Self {
            shortest,
            in_a_row: 0,
            not_before: Instant::now(),
        }
    }

    /// Notes one, and says it for a person.
    pub(crate) fn note(&mut self, program: &str, exit: Exit) -> String {
        self.in_a_row += 1;
        let pause = self
            .shortest
            .saturating_mul(1 << self.in_a_row.min(8).saturating_sub(1))
            .min(LONGEST);
        self.not_before = Instant::now() + pause;
        let problem = format!("{program} ended with {exit}");
        tracing::warn!(pause_ms = pause.as_millis(), "{problem}");
        problem
    }

    /// The server serves: the next pause is a short one again.
    pub(crate) const fn over(&mut self) {
        self.in_a_row = 0;
    }

    /// How many there were since the server served last.
    pub(crate) const fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Whether the pause is over.
    pub(crate) fn may_start(&self) -> bool {
        Instant::now() >= self.not_before
    }
}
