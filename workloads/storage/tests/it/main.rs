//! The storage workload, on each database that its store has an adapter for.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod archive;
mod backend;
mod cache;
mod documents;
mod events;
mod fixture;
mod http;
mod lists;
mod mysql;
mod rest;
mod turns;
mod webhooks;
