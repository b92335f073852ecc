//! The document store's accounts and database, where the operator runs it.

/// Account of storage.
pub const WORKLOAD_ACCOUNT: &str = "workload";
/// The database.
pub const DATABASE: &str = "chatbot";

/// Account of the agents, where MongoDB's members run.
pub const ADMIN_ACCOUNT: &str = "admin";
/// Name of the replica set that MongoDB's members are.
pub const REPLICA_SET: &str = "chatbot";
