//! Tests of the runtime against real servers and files.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod client;
mod events;
mod mysql;
mod redis;
mod serve;
mod sqlite;
mod tls;
