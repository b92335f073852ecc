//! Types of conditions in `status.conditions`.

/// Everything works and the newest spec is rolled out.
pub const READY: &str = "Ready";
/// The operator is at work (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// Nothing will change until somebody does something (kstatus).
pub const STALLED: &str = "Stalled";
/// The identity Secret is there and complete.
pub const IDENTITY_READY: &str = "IdentityReady";
/// MySQL takes writes, and every member is online.
pub const MYSQL_READY: &str = "MysqlReady";
/// Kafka takes events, and every member is in step; or it is somebody else's and takes them; or none is wanted.
pub const KAFKA_READY: &str = "KafkaReady";
/// The document store takes documents; or none is wanted.
pub const DOCUMENTS_READY: &str = "DocumentsReady";
/// The SMTP server takes mails, as the user workload reports it; only where the spec names one.
pub const MAIL_READY: &str = "MailReady";
/// Redis takes writes, and every member is in step; or it is somebody else's and answers; or none is wanted.
pub const REDIS_READY: &str = "RedisReady";
/// Users are served, and something that can be done without is lost; `Unknown` until the whole was Ready once.
pub const DEGRADED: &str = "Degraded";
/// The schema fits the image.
pub const SCHEMA_READY: &str = "SchemaReady";
/// The user workload serves.
pub const USER_READY: &str = "UserReady";
/// The storage workload serves.
pub const STORAGE_READY: &str = "StorageReady";
/// The chat workload serves.
pub const CHAT_READY: &str = "ChatReady";
/// The gateway serves.
pub const GATEWAY_READY: &str = "GatewayReady";
/// The load balancer serves.
pub const LOAD_BALANCER_READY: &str = "LoadBalancerReady";
/// The model API takes our key, as the chat workload reports it.
pub const MODEL_READY: &str = "ModelReady";
