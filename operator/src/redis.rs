//! Redis with Sentinel: what its members tell, what they are made of, and how the workloads reach it.
//!
//! There is no brain on the operator's side: Sentinels choose the primary, and each member's [agent]
//! knows how its own server may start. So a failover needs no operator, and no pod's address: members
//! are announced by the address of a Service each, which stays while pods come and go.

pub mod agent;
mod component;
pub mod connection;
pub mod facts;
mod plan;
mod words;

#[cfg(test)]
pub(crate) use component::EXTERNAL;
pub use component::Redis;

#[cfg(test)]
mod tests;
