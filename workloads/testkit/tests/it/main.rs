//! The checker against a deployment in memory, which keeps its promise or breaks it.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod deployment;
mod documents;
mod history;
