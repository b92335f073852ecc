//! Names of the objects that belong to a ChatbotDeployment: one place, so that the one who makes
//! an object and the one who looks for it cannot disagree.

use chatbot_contract::Workload;

/// The identity component.
pub const IDENTITY: &str = "identity";
/// The MySQL component.
pub const MYSQL: &str = "mysql";
/// The Redis component.
pub const REDIS: &str = "redis";
/// The document store's component.
pub const DOCUMENTS: &str = "documents";
/// The Kafka component.
pub const KAFKA: &str = "kafka";
/// The SMTP server's component.
pub const MAIL: &str = "mail";
/// The migration component.
pub const MIGRATION: &str = "migration";
/// The load balancer component.
pub const LOAD_BALANCER: &str = "load-balancer";
/// The controller that sums up.
pub const SUMMARY: &str = "summary";

/// Name of the one object of a kind that a component has: `<deployment>-<component>`.
#[must_use]
pub fn of(deployment: &str, component: &str) -> String {
    format!("{deployment}-{component}")
}

/// The identity Secret.
#[must_use]
pub fn identity(deployment: &str) -> String {
    of(deployment, IDENTITY)
}

/// Base URL of a workload inside the cluster.
#[must_use]
pub fn workload_url(deployment: &str, namespace: &str, workload: Workload) -> String {
    format!(
        "http://{}.{namespace}.svc:{}",
        of(deployment, workload.name()),
        chatbot_contract::ports::HTTP
    )
}

/// The headless Service that gives each MySQL member a name.
#[must_use]
pub fn mysql_members(deployment: &str) -> String {
    of(deployment, "mysql-members")
}

/// The pod of a MySQL member.
#[must_use]
pub fn mysql_member(deployment: &str, ordinal: i32) -> String {
    format!("{deployment}-mysql-{ordinal}")
}

/// The name under which a MySQL member is reached.
#[must_use]
pub fn mysql_member_host(deployment: &str, namespace: &str, ordinal: i32) -> String {
    format!(
        "{}.{}.{namespace}.svc",
        mysql_member(deployment, ordinal),
        mysql_members(deployment)
    )
}

/// A member of an engine that needs no brain: its pod, and the Service by which it is announced.
#[must_use]
pub fn member(deployment: &str, component: &str, ordinal: i32) -> String {
    format!("{deployment}-{component}-{ordinal}")
}
