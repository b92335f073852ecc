//! Redis accounts and names.

/// The name by which Sentinels know the primary.
pub const PRIMARY_NAME: &str = "chatbot";

/// What every key begins with, and all that [`WORKLOAD_ACCOUNT`] may touch.
pub const KEY_PREFIX: &str = "chatbot:";

/// Account of the workloads, at Redis and at Sentinel.
pub const WORKLOAD_ACCOUNT: &str = "workload";
/// Account with which a Sentinel watches and changes the members, and by which Sentinels know each other.
pub const SENTINEL_ACCOUNT: &str = "sentinel";
/// Account with which a replica follows its primary.
pub const REPLICATION_ACCOUNT: &str = "replication";
/// Account of the agent and of people (`make redis`).
pub const ADMIN_ACCOUNT: &str = "admin";

/// Every account that has a password in the identity Secret.
pub const ACCOUNTS: [&str; 4] = [
    WORKLOAD_ACCOUNT,
    SENTINEL_ACCOUNT,
    REPLICATION_ACCOUNT,
    ADMIN_ACCOUNT,
];
