//! Tests on a real cluster, each in a namespace of its own.
//!
//! What the tests share: the [`cluster`], a [`namespace`] that is deleted at the end and described
//! when a test fails, a bounded [`wait`] for a condition, chat systems to apply ([`system`],
//! [`shared`]), the [`model`] that answers, and [`faults`]. Who uses a system through its load
//! balancer is a `Person` of the testkit.

pub mod archive;
pub mod cluster;
pub mod command;
pub mod describe;
pub mod error;
pub mod faults;
pub mod helm;
pub mod kafka;
pub mod load;
pub mod model;
pub mod mysql;
pub mod namespace;
pub mod operator;
pub mod redis;
pub mod shared;
pub mod system;
pub mod wait;

pub use cluster::Cluster;
pub use error::{Error, Result};
pub use namespace::{TestNamespace, test};
pub use system::System;
