//! Sessions that were ended while access tokens of theirs still live: a hint, left at Redis.
//!
//! An access token holds by itself until it expires. The user workload leaves the id of a session that
//! was ended for as long as one of its tokens can live, and gateways refuse those tokens at once. Where
//! there is no Redis, or it was emptied, such a token is good until it expires.

use std::time::Duration;

use chatbot_contract::redis::KEY_PREFIX;
use uuid::Uuid;

use crate::redis::{Redis, cmd};

/// The hints. Clones share the connection.
#[derive(Clone)]
pub struct Revocations {
    redis: Option<Redis>,
}

impl Revocations {
    /// Makes the way to the hints; without Redis there are none.
    #[must_use]
    pub const fn new(redis: Option<Redis>) -> Self {
        Self { redis }
    }

    /// Leaves a hint that the session has ended; `life` is the longest life of an access token.
    pub async fn add(&self, session: Uuid, life: Duration) {
        if let Some(redis) = &self.redis {
            let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
            let mut set = cmd("SET");
            set.arg(key(session)).arg(1).arg("PX").arg(life);
            // The session has ended in any case: what fails here is only the hint, and it is logged.
            let _ = redis.query::<()>(&set).await;
        }
    }

    /// Whether there is a hint that the session has ended.
    pub async fn has(&self, session: Uuid) -> bool {
        match &self.redis {
            Some(redis) => {
                let exists = redis.query(cmd("EXISTS").arg(key(session))).await;
                exists.unwrap_or(false)
            }
            None => false,
        }
    }
}

fn key(session: Uuid) -> String {
    format!("{KEY_PREFIX}revoked:{session}")
}
