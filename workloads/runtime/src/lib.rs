//! How a workload runs: configuration, telemetry, shutdown, errors, HTTP layers, authentication, the ways to MySQL, SQLite and Redis, and events.
//!
//! A workload is a library with a `Config` (clap arguments that read the environment) and a function
//! that makes a [`serve::Service`] of it. The binary parses, makes a [`context::Context`], asks the
//! workload for its service and gives both to [`serve::run`], together with the sockets and the
//! future that says when to stop.

pub mod auth;
pub mod client;
pub mod config;
pub mod context;
pub mod error;
pub mod events;
pub mod extract;
pub mod health;
pub mod host;
pub mod layers;
pub mod metrics;
pub mod mysql;
pub mod redis;
pub mod request_id;
pub mod revocations;
pub mod serve;
pub mod sqlite;
pub mod telemetry;
pub mod tls;
