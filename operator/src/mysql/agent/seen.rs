//! What is known at the moment: one task looks at the server again and again, everyone else reads here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnection;
use tokio::sync::watch;

use super::sql::{self, Server};
use crate::agent::http::Tell;
use crate::mysql::facts::{MemberFacts, MemberState, Phase, Record, ServerFacts};

/// How often a server that is well is looked at, and one that is not.
const CALM: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(250);
/// After so long a silence a server is told as not answering.
const SILENCE: Duration = Duration::from_secs(10);
/// The watching task looks at least this often, unless the process is stuck.
const ALIVE: Duration = Duration::from_secs(30);
/// Facts older than this, in milliseconds, prove nothing to a readiness probe.
const FRESH: u64 = 5_000;

/// What a server said, and when.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) server: ServerFacts,
}

/// Where everything known is written up.
#[derive(Clone)]
pub(super) struct Board {
    fixed: Arc<MemberFacts>,
    state: watch::Sender<Known>,
}

#[derive(Clone)]
struct Known {
    phase: Phase,
    record: Record,
    problem: Option<String>,
    crashes: u32,
    seen: Option<Seen>,
    looked: Instant,
}

impl Board {
    /// A board for a member; the facts' changing parts are filled in later.
    pub(super) fn new(fixed: MemberFacts) -> Self {
        let known = Known {
            phase: Phase::Preparing,
            record: fixed.record.clone(),
            problem: None,
            crashes: 0,
            seen: None,
            looked: Instant::now(),
        };
        Self {
            fixed: Arc::new(fixed),
            state: watch::Sender::new(known),
        }
    }

    /// Everything, as it is told to others.
    pub(super) fn facts(&self) -> MemberFacts {
        let known = self.state.borrow();
        let seen = known
            .seen
            .as_ref()
            .filter(|seen| seen.at.elapsed() < SILENCE);
        MemberFacts {
            phase: known.phase,
            record: known.record.clone(),
            problem: known.problem.clone(),
            crashes: known.crashes,
            server: seen.map(|seen| seen.server.clone()),
            age_ms: seen.map_or(0, |seen| {
                u64::try_from(seen.at.elapsed().as_millis()).unwrap_or(u64::MAX)
            }),
            ..(*self.fixed).clone()
        }
    }

    /// What the server said last, at this time or later.
    pub(super) fn seen_since(&self, time: Instant) -> Option<Seen> {
        self.state
            .borrow()
            .seen
            .clone()
            .filter(|seen| seen.at >= time)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.state.send_modify(|known| known.phase = phase);
    }

    pub(super) fn set_record(&self, record: &Record) {
        self.state
            .send_modify(|known| known.record.clone_from(record));
    }

    pub(super) fn set_problem(&self, problem: Option<String>) {
        self.state.send_modify(|known| known.problem = problem);
    }

    pub(super) fn count_crash(&self) {
        self.state.send_modify(|known| known.crashes += 1);
    }

    /// Resolves at the next look at the server.
    pub(super) async fn next_look(&self) {
        let mut changes = self.state.subscribe();
        changes.mark_unchanged();
        let before = self.state.borrow().looked;
        // It can only end when this board, its sender, is gone.
        let _ = changes.wait_for(|known| known.looked != before).await;
    }

    /// Looks at the server for ever.
    pub(super) async fn watch(self, server: Server) {
        let mut connection = None;
        loop {
            let asked = Instant::now();
            let answer = look(&server, &mut connection).await;
            let calm = answer
                .as_ref()
                .is_some_and(|server| server.state() == MemberState::Online);
            self.state.send_modify(|known| {
                known.looked = Instant::now();
                // A server that does not answer for a moment is still as it was: readers see the age.
                if let Some(server) = answer {
                    known.seen = Some(Seen { at: asked, server });
                }
            });
            tokio::time::sleep(if calm { CALM } else { BUSY }).await;
        }
    }
}

impl Tell for Board {
    type Facts = MemberFacts;

    fn alive(&self) -> bool {
        self.state.borrow().looked.elapsed() < ALIVE
    }

    fn ready(&self) -> Result<String, String> {
        let facts = self.facts();
        match &facts.server {
            Some(server) if server.is_online() && facts.age_ms < FRESH => Ok("online".to_owned()),
            Some(server) => Err(server.state().to_string().to_lowercase()),
            None => Err(facts.phase.to_string()),
        }
    }

    fn facts(&self) -> MemberFacts {
        Self::facts(self)
    }
}

async fn look(server: &Server, connection: &mut Option<MySqlConnection>) -> Option<ServerFacts> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => server
            .root()
            .await
            .inspect_err(|error| tracing::trace!(%error, "the server takes no connection"))
            .ok()?,
    };
    match sql::facts(&mut open).await {
        Ok(facts) => {
            *connection = Some(open);
            Some(facts)
        }
        Err(error) => {
            tracing::debug!(%error, "the server does not tell how it is");
            None
        }
    }
}
