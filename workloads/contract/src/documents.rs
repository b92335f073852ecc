//! The document store's account and database, where the operator runs it.

/// Account of storage.
pub const WORKLOAD_ACCOUNT: &str = "workload";
/// The database.
pub const DATABASE: &str = "chatbot";
