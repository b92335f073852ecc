//! For tests only: real servers, the stand-ins for Groq and MongoDB, people who use a system and what they may expect.

pub mod api;
pub mod certificates;
pub mod deployment;
pub mod documents;
pub mod groq;
mod guard;
pub mod history;
pub mod kafka;
pub mod mongod;
pub mod mysql;
pub mod percentile;
pub mod person;
pub mod receiver;
pub mod redis;
pub mod smtp;
pub mod tap;
