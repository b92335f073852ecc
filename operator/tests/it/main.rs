//! The operator's parts against an API server in memory, and the agents with real servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod fake_api;
mod lease;
mod pipeline;
