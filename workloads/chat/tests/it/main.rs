//! The chat workload against the stand-in for Groq.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod fixture;
mod http;
mod model;
mod resume;
mod turns;
mod whole;
