//! Kafka: what its members tell, what they are made of, and how the workloads reach it.
//!
//! There is no brain on the operator's side: Kafka's own quorum (KRaft) chooses who leads, and each member's
//! [agent] knows how its volume may be formatted. See `docs/decisions/0011-managed-kafka.md`.

pub mod agent;
mod component;
pub mod connection;
pub mod facts;
mod plan;
mod words;

#[cfg(test)]
pub(crate) use component::EXTERNAL;
pub use component::Kafka;

#[cfg(test)]
mod tests;
