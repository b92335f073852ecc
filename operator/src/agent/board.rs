//! What is known at the moment: an agent's worker writes it up, probes and other agents read it.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::http::Tell;

/// The worker looks at least this often, unless it is stuck.
const ALIVE: Duration = Duration::from_secs(30);

/// Facts of a member that say by themselves whether it takes part.
pub(crate) trait Readiness {
    /// Whether the server takes part, or a word on how it is.
    fn ready(&self) -> Result<String, String>;
}

/// Where everything known is written up.
#[derive(Clone)]
pub(crate) struct Board<F> {
    known: watch::Sender<Known<F>>,
}

#[derive(Clone)]
struct Known<F> {
    facts: F,
    looked: Instant,
}

impl<F: Clone> Board<F> {
    /// A board on which this stands.
    pub(crate) fn new(facts: F) -> Self {
        Self {
            known: watch::Sender::new(Known {
                facts,
                looked: Instant::now(),
            }),
        }
    }

    /// Changes what is known.
    pub(crate) fn note(&self, change: impl FnOnce(&mut F)) {
        self.known.send_modify(|known| {
            change(&mut known.facts);
            known.looked = Instant::now();
        });
    }

    /// Everything that is known.
    pub(crate) fn facts(&self) -> F {
        self.known.borrow().facts.clone()
    }
}

impl<F: Readiness + Clone + Serialize + Send + Sync + 'static> Tell for Board<F> {
    type Facts = F;

    fn alive(&self) -> bool {
        self.known.borrow().looked.elapsed() < ALIVE
    }

    fn ready(&self) -> Result<String, String> {
        self.known.borrow().facts.ready()
    }

    fn facts(&self) -> F {
        Self::facts(self)
    }
}
