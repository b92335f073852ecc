//! For tests only: real servers, and the stand-in for Groq.

pub mod groq;
mod guard;
pub mod history;
pub mod kafka;
pub mod mysql;
pub mod redis;
