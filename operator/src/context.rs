//! What every controller shares.

use std::sync::Arc;

use kube::Client;
use kube::runtime::events::Recorder;

use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::stores::Stores;

/// What every controller shares.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Settings of the operator.
    pub settings: Arc<Settings>,
    /// What the cluster shows.
    pub stores: Stores,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whether we may act.
    pub leadership: Leadership,
    /// Reads the pages of pods of ours.
    pub http: reqwest::Client,
}
