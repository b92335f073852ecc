//! The storage workload on a real MySQL.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod events;
mod fixture;
mod http;
mod lists;
mod rest;
mod turns;
