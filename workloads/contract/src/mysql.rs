//! MySQL accounts and schemas.

/// Schema owned by the user workload.
pub const USERS_SCHEMA: &str = "users";
/// Schema owned by the storage workload.
pub const CONVERSATIONS_SCHEMA: &str = "conversations";

/// Account of the user workload: reads and writes rows of its schema.
pub const USER_ACCOUNT: &str = "user";
/// Account of the storage workload: reads and writes rows of its schema.
pub const STORAGE_ACCOUNT: &str = "storage";
/// Account of the migration Job: owns both schemas.
pub const MIGRATE_ACCOUNT: &str = "migrate";
/// Account for recovery between the members of a group.
pub const REPLICATION_ACCOUNT: &str = "replication";
/// Administrator for people (`make mysql`) and, over the socket, the agent.
pub const ADMIN_ACCOUNT: &str = "admin";

/// Every account that has a password in the identity Secret.
pub const ACCOUNTS: [&str; 5] = [
    USER_ACCOUNT,
    STORAGE_ACCOUNT,
    MIGRATE_ACCOUNT,
    REPLICATION_ACCOUNT,
    ADMIN_ACCOUNT,
];
