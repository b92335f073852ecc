//! The engines' agents with real servers, or with a stand-in where there is none to be had.

mod ground;
mod kafka;
mod mongo;
mod mysql;
mod redis;
