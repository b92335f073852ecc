//! What the operator and the workloads must agree on, written once.
//!
//! Nothing here does anything but make fresh keys: names, numbers and the shapes of what one side
//! writes and the other reads. Both sides name these items, so a change that one of them forgets does not compile.

pub mod authority;
pub mod documents;
pub mod environment;
pub mod events;
pub mod identity;
pub mod kafka;
pub mod mysql;
pub mod redis;
pub mod report;
pub mod requests;

use serde::{Deserialize, Serialize};

/// A workload: one way to run the `chatbot` binary, and one Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// The public door.
    Gateway,
    /// Generates answers.
    Chat,
    /// Owns accounts.
    User,
    /// Owns conversations.
    Storage,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Chat, Self::User, Self::Storage];

    /// The name: the subcommand, the component label and the last part of object names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Chat => "chat",
            Self::User => "user",
            Self::Storage => "storage",
        }
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Subcommand of the `chatbot` binary that brings the schema up to date and ends.
pub const MIGRATE: &str = "migrate";

/// Exit codes of the `chatbot` binary that say more than that it failed; the numbers are those of
/// BSD's sysexits.h.
pub mod exit {
    /// MySQL did not answer, or no server took writes in time: the same may work later.
    pub const TRY_LATER: u8 = 75;
    /// MySQL refuses the account.
    pub const REFUSED: u8 = 77;
    /// A setting cannot be used.
    pub const CONFIGURATION: u8 = 78;
}

/// TCP ports inside a pod.
pub mod ports {
    /// A workload's interface (HTTP/1.1).
    pub const HTTP: u16 = 8080;
    /// A workload's probes, metrics and report (HTTP/1.1); never reachable through the load balancer.
    pub const ADMIN: u16 = 9090;
    /// The load balancer's plain HTTP.
    pub const EDGE_HTTP: u16 = 8080;
    /// The load balancer's TLS.
    pub const EDGE_HTTPS: u16 = 8443;
    /// The load balancer's own health, inside the pod network only.
    pub const EDGE_ADMIN: u16 = 9090;
    /// MySQL's classic protocol; members of a group speak to each other over it as well.
    pub const MYSQL: u16 = 3306;
    /// The MySQL agent's interface (HTTP/1.1).
    pub const MYSQL_AGENT: u16 = 9091;
    /// Redis's protocol.
    pub const REDIS: u16 = 6379;
    /// Sentinel, in Redis's protocol.
    pub const SENTINEL: u16 = 26379;
    /// The Redis agent's interface (HTTP/1.1).
    pub const REDIS_AGENT: u16 = 9092;
    /// MongoDB's protocol.
    pub const DOCUMENTS: u16 = 27017;
    /// The interface of the document store's agent (HTTP/1.1).
    pub const DOCUMENTS_AGENT: u16 = 9096;
    /// Kafka's protocol, for the workloads.
    pub const KAFKA: u16 = 9092;
    /// Kafka's protocol, of the quorum.
    pub const KAFKA_QUORUM: u16 = 9093;
    /// Kafka's protocol, of the members and their agents.
    pub const KAFKA_MEMBERS: u16 = 9094;
    /// The Kafka agent's interface (HTTP/1.1).
    pub const KAFKA_AGENT: u16 = 9095;
}

/// Paths on a workload's admin port, and the gateway's for the load balancer.
pub mod paths {
    /// 200 while the process can make progress.
    pub const LIVEZ: &str = "/livez";
    /// 200 while new requests are welcome; 503 from the first moment of a shutdown.
    pub const READYZ: &str = "/readyz";
    /// Prometheus text format.
    pub const METRICS: &str = "/metrics";
    /// A [`crate::report::Report`] as JSON: what this process sees of its dependencies.
    pub const REPORT: &str = "/report";
}

/// How long a pod keeps serving after it was told to stop (seconds): endpoints and the load
/// balancer learn of it within this time, so no new connection meets a closed port.
pub const DRAIN_SECONDS: u64 = 5;

/// How long running requests may take to end after the drain (seconds); then they are cut.
pub const SHUTDOWN_SECONDS: u64 = 60;

/// A pod's `terminationGracePeriodSeconds`: drain, running requests and a margin.
pub const TERMINATION_GRACE_SECONDS: u64 = DRAIN_SECONDS + SHUTDOWN_SECONDS + 10;
