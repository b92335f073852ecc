//! What every controller shares: the client and the settings.

use std::sync::Arc;

use kube::Client;

use crate::settings::Settings;

/// What every controller shares.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Settings of the operator.
    pub settings: Arc<Settings>,
}
