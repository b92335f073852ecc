//! Tells the events of the outbox: reads rows of the buckets it owns, appends them to the log, and
//! removes what the log has taken.
//!
//! A relay that dies between the two has told rows that are still there: its successor tells them
//! again, which changes nothing for consumers, who know them by their ids. While the log cannot be
//! reached the relay waits with its rows in hand, and the outbox grows.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chatbot_contract::events::Topic;
use chatbot_runtime::context::Shutdown;
use chatbot_runtime::events::{EventLog, Record};
use chatbot_runtime::metrics::Metrics;
use chatbot_runtime::telemetry;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::store;
use crate::store::outbox::{LEASE, Outbox, OutboxRow};

/// Time between two renewals: two may fail before a lease runs out.
const RENEW: Duration = Duration::from_secs(3);

/// Rows told at once.
const BATCH: u16 = 500;

/// Time between two batches that were not full: a batch costs two transactions here and one of each consumer, however
/// few rows it has.
const PAUSE: Duration = Duration::from_millis(50);

/// Time between two looks at an outbox that was empty.
const LOOK: Duration = Duration::from_millis(200);

/// Time between two attempts after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// Time between two looks at the backlog.
const MEASURE: Duration = Duration::from_secs(5);

/// Tells the events of one process's share of the outbox.
pub struct Relay<O> {
    outbox: Arc<O>,
    log: Arc<dyn EventLog>,
    /// Names this process in the leases; a process that comes back is another one.
    id: Uuid,
    numbers: Numbers,
}

/// Numbers of the outbox.
#[derive(Clone, Default)]
struct Numbers {
    rows: Gauge,
    age: Gauge<f64, AtomicU64>,
    told: Counter,
}

/// The buckets that are owned, and until when.
#[derive(Clone)]
struct Held {
    buckets: Vec<u16>,
    until: Instant,
}

impl<O: Outbox> Relay<O> {
    /// Makes the relay of a process, and registers its metrics.
    pub fn new(outbox: Arc<O>, log: Arc<dyn EventLog>, metrics: &Metrics) -> Self {
        let numbers = Numbers::default();
        metrics.register(|registry| {
            registry.register(
                "outbox_rows",
                "Events in the outbox that the log has not taken",
                numbers.rows.clone(),
            );
            registry.register(
                "outbox_oldest_age_seconds",
                "Age of the oldest event in the outbox; 0 when it is empty",
                numbers.age.clone(),
            );
            registry.register(
                "outbox_told",
                "Events of the outbox that the log has taken from this process",
                numbers.told.clone(),
            );
        });
        Self {
            outbox,
            log,
            id: Uuid::now_v7(),
            numbers,
        }
    }

    /// Keeps the numbers of the outbox fresh for ever.
    pub async fn measure(&self) {
        let mut ticks = interval(MEASURE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // What fails here fails everywhere, and is told there.
            let Ok(backlog) = self.outbox.backlog().await else {
                continue;
            };
            let rows = i64::try_from(backlog.rows).unwrap_or(i64::MAX);
            let age = backlog.oldest.map_or(Duration::ZERO, |oldest| {
                let age = Timestamp::now().as_millisecond().saturating_sub(oldest);
                // The clock of another process may be ahead.
                Duration::from_millis(u64::try_from(age).unwrap_or(0))
            });
            self.numbers.rows.set(rows);
            self.numbers.age.set(age.as_secs_f64());
        }
    }

    /// Tells events until the process ends; then others get its buckets at once, and it waits.
    pub async fn run(&self, shutdown: &Shutdown) {
        let (sender, held) = watch::channel(Held {
            buckets: Vec::new(),
            until: Instant::now(),
        });
        tokio::select! {
            () = self.keep(sender) => {}
            () = self.tell(held) => {}
            () = shutdown.stopping() => {}
        }
        if let Err(error) = self.outbox.release(self.id).await {
            tracing::info!(
                error = telemetry::chain(&error),
                "the leases of the outbox run out by themselves"
            );
        }
        std::future::pending().await
    }

    /// Renews the leases for ever.
    async fn keep(&self, held: watch::Sender<Held>) {
        let mut ticks = interval(RENEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Counted from before the question: the database's answer took some of it.
            let until = Instant::now() + LEASE;
            match self.outbox.lease(self.id).await {
                Ok(buckets) => held.send_modify(|held| {
                    if held.buckets != buckets {
                        tracing::info!(buckets = buckets.len(), "telling this share of the outbox");
                    }
                    *held = Held { buckets, until };
                }),
                Err(error) => {
                    tracing::warn!(
                        error = telemetry::chain(&error),
                        "the leases of the outbox were not renewed"
                    );
                }
            }
        }
    }

    /// Tells what waits, for ever.
    async fn tell(&self, mut held: watch::Receiver<Held>) {
        loop {
            let Held { buckets, until } = held.borrow_and_update().clone();
            if buckets.is_empty() || Instant::now() >= until {
                // Nothing is ours until the leases are renewed.
                if held.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let pause = match self.once(&buckets).await {
                Ok(0) => LOOK,
                Ok(told) if told < usize::from(BATCH) => PAUSE,
                Ok(_) => continue,
                Err(()) => AGAIN,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Tells one batch; says how many rows were told. What was refused is tried again later.
    async fn once(&self, buckets: &[u16]) -> Result<usize, ()> {
        let failed = |error: store::Error| {
            tracing::warn!(
                error = telemetry::chain(&error),
                "the outbox cannot be read or written"
            );
        };
        let rows = self
            .outbox
            .waiting(buckets, u32::from(BATCH))
            .await
            .map_err(failed)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let records = rows.iter().map(record).collect();
        let results = self.log.append(Topic::Events, records).await;
        let mut told = Vec::with_capacity(rows.len());
        let mut refused = None;
        for (row, result) in rows.iter().zip(results) {
            match result {
                Ok(()) => told.push(row.position),
                Err(error) => refused = Some(error),
            }
        }
        self.outbox.told(&told).await.map_err(failed)?;
        self.numbers
            .told
            .inc_by(u64::try_from(told.len()).unwrap_or(u64::MAX));
        match refused {
            None => Ok(told.len()),
            Some(error) => {
                tracing::warn!(
                    error = telemetry::chain(&error),
                    rows = rows.len() - told.len(),
                    "events were not taken and stay in the outbox"
                );
                Err(())
            }
        }
    }
}

fn record(row: &OutboxRow) -> Record {
    Record {
        key: row.conversation_id.as_bytes().to_vec(),
        payload: row.event.clone(),
        headers: Vec::new(),
    }
}
