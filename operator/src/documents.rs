//! The document store: what it is made of, and how storage reaches it.
//!
//! As the operator runs it, it is one instance of PostgreSQL with the DocumentDB extension and FerretDB in front of
//! it, which speaks MongoDB's protocol; or [`mongo`], a replica set of MongoDB's own servers. What stands there is made
//! of MySQL's content and can be made again.

pub mod agent;
mod component;
pub mod connection;
pub mod facts;
pub mod mongo;
mod objects;
mod plan;

pub use component::Documents;
#[cfg(test)]
pub(crate) use component::EXTERNAL;

#[cfg(test)]
mod tests;
