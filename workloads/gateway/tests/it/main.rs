//! The gateway as its users meet it, with workloads behind it that do what a test says.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod behind;
mod events;
mod http;
mod limiter;
mod limits;
mod server;
mod turns;
mod websocket;
