//! The engines' agents with real servers.

mod ground;
mod mysql;
mod redis;
