//! What the operator measures of itself, in Prometheus text format.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The metrics.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<ComponentLabels, Histogram>,
    leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    component: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: &'static str,
}

impl Metrics {
    /// Registers the metrics.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("chatbot_operator");
        let reconciles = Family::default();
        registry.register(
            "reconciles",
            "Reconciles that ended, by component and outcome",
            reconciles.clone(),
        );
        let durations: Family<ComponentLabels, Histogram> =
            Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register_with_unit(
            "reconcile_duration",
            "Time from the start to the end of a reconcile",
            Unit::Seconds,
            durations.clone(),
        );
        let leader = Gauge::default();
        registry.register(
            "leader",
            "1 while this replica holds the Lease and acts",
            leader.clone(),
        );
        Self {
            registry,
            reconciles,
            durations,
            leader,
        }
    }

    /// Counts a reconcile that ended.
    pub fn reconciled(&self, component: &'static str, outcome: &'static str, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels { component, outcome })
            .inc();
        self.durations
            .get_or_create(&ComponentLabels { component })
            .observe(took.as_secs_f64());
    }

    /// Says whether this replica acts.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The metrics as text.
    ///
    /// # Errors
    /// The text could not be written.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}
