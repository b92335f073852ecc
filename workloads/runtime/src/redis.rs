//! The way to Redis: finds the server that takes writes, and never holds a request up.
//!
//! Redis keeps nothing here that cannot be lost, so every use of it goes on without it. A [`Redis`]
//! is told where its servers are and is connected in the background, by [`Redis::watch`]. A request
//! uses the connection that is there. Where there is none it fails at once, so a dead Redis costs
//! nothing; the request that finds it dead waits [`RESPONSE_LIMIT`], once, and closes the way for
//! all that come after it. A connection that breaks soon after it was made is made again later and
//! later, so that a Redis which comes and goes is left alone.
//!
//! With [`Topology::Sentinel`] the address that most Sentinels name is believed only when the server
//! there calls itself a primary; with [`Topology::Single`] the first host is the server.

mod client;
mod config;
mod error;
mod primary;
mod watch;

pub use ::redis::{Cmd, Pipeline, Script, cmd, pipe};
pub use client::{RESPONSE_LIMIT, Redis};
pub use config::{Config, Topology};
pub use error::{Category, Error};

use crate::health::Health;
use crate::serve::Service;

/// Lets a service keep its connection to Redis and report how it is, where there is one.
pub fn watched(service: Service, redis: Option<Redis>, health: &Health) -> Service {
    let Some(redis) = redis else {
        return service;
    };
    let health = health.clone();
    service.background("Redis watch", async move {
        redis.watch(|seen| health.report(seen)).await;
    })
}
