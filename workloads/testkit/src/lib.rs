//! For tests only: real servers, and the stand-in for Groq.

pub mod mysql;
