//! The engines' agents with real servers.

mod ground;
mod kafka;
mod mysql;
mod redis;
