//! MySQL as a replication group: facts of its members, the decision, and the objects it is made of.
//!
//! The brain is [`decide`]; [`facts`] is what it knows, and what it may do stands in `act`. On the
//! other side, in each member's pod, the [agent] carries out what concerns that member.

mod act;
pub mod agent;
mod component;
pub mod decide;
pub mod facts;
mod gather;
pub mod gtid;
pub mod intent;
mod objects;
mod plan;
mod words;

pub use component::Mysql;
pub use objects::{CONTAINER, PRIMARY, ROLE};
pub use plan::Plan;

#[cfg(test)]
mod tests;
