//! MySQL as a replication group: facts of its members, the decision, and the objects it is made of.

pub mod facts;
pub mod gtid;
pub mod intent;
