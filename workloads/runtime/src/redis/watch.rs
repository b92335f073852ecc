//! Watches the connection: makes it, follows a new primary, and says how Redis is.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState};
use tokio::time::{Instant, sleep, timeout};

use super::client::Link;
use super::{Error, Redis, Topology, primary};

/// Time between two looks while all is well.
const CALM: Duration = Duration::from_secs(2);

/// Shortest and longest time between two attempts to connect.
const TROUBLED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A connection that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(10);

impl Redis {
    /// Keeps the connection for ever, and tells `report` what it sees.
    pub async fn watch(&self, report: impl Fn(Dependency)) {
        let mut pause = TROUBLED.0;
        loop {
            let seen = self.look().await;
            let well = seen.state == DependencyState::Ok;
            report(seen);
            if well {
                let since = self.since();
                // A request that loses the connection wakes us.
                if timeout(CALM, self.inner.lost.notified()).await.is_err() {
                    continue;
                }
                if since.is_some_and(|since| since.elapsed() >= STEADY) {
                    pause = TROUBLED.0;
                    continue;
                }
            }
            sleep(pause).await;
            pause = TROUBLED.1.min(2 * pause);
        }
    }

    /// Looks once.
    pub async fn look(&self) -> Dependency {
        let (state, message) = match self.check().await {
            Ok(host) => (DependencyState::Ok, format!("Redis at {host} takes writes")),
            Err(error) => (error.category().state(), error.chain()),
        };
        Dependency {
            name: DependencyName::Redis,
            state,
            message,
        }
    }

    async fn check(&self) -> Result<String, Error> {
        let current = self.inner.link.borrow().clone();
        if let Some(link) = current
            && self.holds(&link).await
        {
            return Ok(link.host.to_string());
        }
        let found = primary::find(&self.inner.config).await;
        // Without a primary there is nothing to use: what is there takes no writes or is gone.
        self.inner.link.send_replace(found.as_ref().ok().cloned());
        let link = found?;
        tracing::info!(host = link.host.to_string(), "using this Redis server");
        Ok(link.host.to_string())
    }

    /// Whether the connection still leads to the primary, as the server and most Sentinels see it.
    async fn holds(&self, link: &Link) -> bool {
        if primary::check(link).await.is_err() {
            return false;
        }
        match self.inner.config.topology {
            Topology::Single => true,
            // Sentinels that are all away are no reason to leave a server that works.
            Topology::Sentinel => primary::named(&self.inner.config)
                .await
                .map_or(true, |named| named.first() == Some(&link.host)),
        }
    }

    fn since(&self) -> Option<Instant> {
        self.inner.link.borrow().as_ref().map(|link| link.since)
    }
}
