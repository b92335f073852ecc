//! What a platform team and its users rely on, on a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod api;
mod bad_input;
mod deletion;
mod documents;
mod faults;
mod kafka;
mod notices;
mod ready;
mod redis;
mod refused;
mod rollout;
mod whole;
