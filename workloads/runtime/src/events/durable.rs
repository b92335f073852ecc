//! A consumer that handles every event at least once, whatever dies meanwhile.
//!
//! The log keeps its place ([`EventLog::take_part`]), which moves only after the effect. So an event
//! may be handled again, after a crash, when another process takes over, or when somebody replays a
//! topic: a [`Handler`] is written to change nothing then.

use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::events::{Event, Group, Unreadable};
use chatbot_contract::requests::{self, Request};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::consume::{read, set_aside};
use super::{Batch, EventLog};
use crate::context::{Context, Shutdown};
use crate::telemetry;

/// Time before the first repetition of what failed; it doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(100);

/// Longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(5);

/// What the records of a topic are.
pub trait Payload: Sized + Send + Sync + 'static {
    /// Reads one; nothing of what a newer release tells.
    ///
    /// # Errors
    /// It must be set aside, for this reason, with what is wrong.
    fn read(payload: &[u8]) -> Result<Option<Self>, (Unreadable, String)>;
}

impl Payload for Event {
    fn read(payload: &[u8]) -> Result<Option<Self>, (Unreadable, String)> {
        read(payload)
    }
}

impl Payload for Request {
    /// One is no loss: what cannot be read is skipped.
    fn read(payload: &[u8]) -> Result<Option<Self>, (Unreadable, String)> {
        let request: Option<Self> = serde_json::from_slice(payload).ok();
        Ok(request.filter(|request| request.version == requests::VERSION))
    }
}

/// What is done with them.
pub trait Handler: Send + Sync + 'static {
    /// What they are.
    type Item: Payload;
    /// Why they were not handled.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Handles what was told, that of one key in order. What fails is handed over again, as a
    /// whole, until it succeeds, and nothing that comes after it is before then: a handler sets
    /// aside what will never succeed, and puts in a queue of its own what takes long.
    fn handle(&self, items: &[Self::Item]) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Numbers of the consumers of a process that keep their place. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct DurableNumbers {
    handled: Family<Labels, Counter>,
    skipped: Family<Labels, Counter>,
    dead: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    lag: Family<Labels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    group: &'static str,
}

impl DurableNumbers {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let numbers = Self::default();
        registry.register(
            "events_group_handled",
            "Events handled by a consumer that keeps its place; what is handled again counts again",
            numbers.handled.clone(),
        );
        registry.register(
            "events_group_skipped",
            "Events skipped by a consumer that keeps its place: a newer release has their kind",
            numbers.skipped.clone(),
        );
        registry.register(
            "events_group_dead_lettered",
            "Records set aside by a consumer that keeps its place",
            numbers.dead.clone(),
        );
        registry.register(
            "events_group_failures",
            "Attempts to handle a batch of events that failed and were repeated",
            numbers.failures.clone(),
        );
        registry.register(
            "events_group_lag",
            "Events that this process has yet to handle, of the partitions it has",
            numbers.lag.clone(),
        );
        numbers
    }
}

/// A consumer that takes part in its group from the moment it is made.
#[must_use = "the log waits for a group whose consumer does not run"]
pub struct Durable {
    batches: BoxStream<'static, Batch>,
    work: Work,
    shutdown: Shutdown,
}

/// What is done with one batch.
struct Work {
    log: Arc<dyn EventLog>,
    group: Group,
    numbers: DurableNumbers,
}

impl Durable {
    /// Takes part in `group`. A process makes this before anything is appended to a log inside it.
    pub fn new(log: Arc<dyn EventLog>, group: Group, context: &Context) -> Self {
        let numbers = context.metrics.durable().clone();
        let labels = Labels {
            group: group.label(),
        };
        let gauge = numbers.lag.get_or_create(&labels).clone();
        let lag = Box::new(move |waiting| {
            gauge.set(waiting);
        });
        Self {
            batches: log.take_part(group.topic(), group, lag),
            work: Work {
                log,
                group,
                numbers,
            },
            shutdown: context.shutdown.clone(),
        }
    }

    /// Handles events until the process ends, and waits then: what is in hand is given to another.
    pub async fn run(self, handler: impl Handler) {
        let Self {
            batches,
            work,
            shutdown,
        } = self;
        // Going on ends here, and with it the stream: the member leaves its group at once.
        tokio::select! {
            () = shutdown.stopping() => {}
            () = go_on(batches, &work, &handler) => {}
        }
        std::future::pending().await
    }
}

async fn go_on<H: Handler>(mut batches: BoxStream<'static, Batch>, work: &Work, handler: &H) {
    while let Some(batch) = batches.next().await {
        let items: Vec<H::Item> = work.items(&batch).await;
        if !items.is_empty() {
            work.handle(handler, &items).await;
        }
        batch.acknowledge();
    }
}

impl Work {
    /// What a batch tells; what cannot be handled is set aside.
    async fn items<P: Payload>(&self, batch: &Batch) -> Vec<P> {
        let mut items = Vec::with_capacity(batch.entries.len());
        for entry in &batch.entries {
            match P::read(&entry.record.payload) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => {
                    self.numbers.skipped.get_or_create(&self.labels()).inc();
                }
                Err((reason, problem)) => {
                    self.numbers.dead.get_or_create(&self.labels()).inc();
                    let log = self.log.as_ref();
                    set_aside(log, self.group.label(), entry.clone(), reason, problem).await;
                }
            }
        }
        items
    }

    /// Hands them over until they are handled.
    async fn handle<H: Handler>(&self, handler: &H, items: &[H::Item]) {
        let mut pause = SHORTEST;
        while let Err(error) = handler.handle(items).await {
            self.numbers.failures.get_or_create(&self.labels()).inc();
            tracing::warn!(
                group = self.group.label(),
                events = items.len(),
                error = telemetry::chain(&error),
                "events were not handled and are handed over again"
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
        self.numbers
            .handled
            .get_or_create(&self.labels())
            .inc_by(u64::try_from(items.len()).unwrap_or(u64::MAX));
    }

    const fn labels(&self) -> Labels {
        Labels {
            group: self.group.label(),
        }
    }
}
