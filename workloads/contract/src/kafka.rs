//! Kafka accounts.

/// Account of the workloads: all topics and groups whose names begin with the topics' prefix.
pub const WORKLOAD_ACCOUNT: &str = "workload";
/// How the workloads prove who they are (RFC 5802 with SHA-512).
pub const WORKLOAD_MECHANISM: &str = "SCRAM-SHA-512";
/// Account of the members among themselves and of their agents: everything.
pub const MEMBER_ACCOUNT: &str = "member";

/// Every account that has a password in the identity Secret.
pub const ACCOUNTS: [&str; 2] = [WORKLOAD_ACCOUNT, MEMBER_ACCOUNT];
