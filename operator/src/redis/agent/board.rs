//! What is known at the moment: the worker writes it up, probes and other agents read it.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::agent::http::Tell;
use crate::redis::facts::MemberFacts;

/// The worker looks at least this often, unless it is stuck.
const ALIVE: Duration = Duration::from_secs(30);

/// Where everything known is written up.
#[derive(Clone)]
pub(super) struct Board {
    known: watch::Sender<Known>,
}

#[derive(Clone)]
struct Known {
    facts: MemberFacts,
    looked: Instant,
}

impl Board {
    /// A board for a member of which nothing more is known.
    pub(super) fn new(member: &str, seeded: bool) -> Self {
        let facts = MemberFacts {
            member: member.to_owned(),
            seeded,
            ..MemberFacts::default()
        };
        Self {
            known: watch::Sender::new(Known {
                facts,
                looked: Instant::now(),
            }),
        }
    }

    /// Changes what is known.
    pub(super) fn note(&self, change: impl FnOnce(&mut MemberFacts)) {
        self.known.send_modify(|known| {
            change(&mut known.facts);
            known.looked = Instant::now();
        });
    }
}

impl Tell for Board {
    type Facts = MemberFacts;

    fn alive(&self) -> bool {
        self.known.borrow().looked.elapsed() < ALIVE
    }

    fn ready(&self) -> Result<String, String> {
        let facts = self.facts();
        match facts.server {
            Some(server) if server.in_step => Ok(server.role.to_string().to_lowercase()),
            Some(_) => Err("syncing".to_owned()),
            None => Err(facts.problem.unwrap_or_else(|| "starting".to_owned())),
        }
    }

    fn facts(&self) -> MemberFacts {
        self.known.borrow().facts.clone()
    }
}
