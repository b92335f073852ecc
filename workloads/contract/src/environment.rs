//! Names of the environment variables that the operator sets and a workload reads at its start.
//!
//! A `…_FILE` variable holds the path of a file with the value: secrets are mounted, never in the environment.

/// Address of the interface, `host:port`.
pub const LISTEN: &str = "CHATBOT_LISTEN";
/// Address of probes, metrics and report, `host:port`.
pub const ADMIN_LISTEN: &str = "CHATBOT_ADMIN_LISTEN";
/// Filter for log lines, in the syntax of tracing's `EnvFilter`.
pub const LOG: &str = "CHATBOT_LOG";
/// Seconds to keep serving after a stop was asked for.
pub const DRAIN_SECONDS: &str = "CHATBOT_DRAIN_SECONDS";
/// URL under which users reach the system, without a trailing slash; the `iss` of access tokens.
pub const PUBLIC_URL: &str = "CHATBOT_PUBLIC_URL";

/// Base URL of the user workload, as others reach it.
pub const USER_URL: &str = "CHATBOT_USER_URL";
/// Base URL of the chat workload.
pub const CHAT_URL: &str = "CHATBOT_CHAT_URL";
/// Base URL of the storage workload.
pub const STORAGE_URL: &str = "CHATBOT_STORAGE_URL";

/// File with the key that signs calls between workloads ([`crate::identity::INTERNAL_KEY`]).
pub const INTERNAL_KEY_FILE: &str = "CHATBOT_INTERNAL_KEY_FILE";
/// File with the key ring that wraps data keys ([`crate::identity::KEY_RING`]).
pub const KEY_RING_FILE: &str = "CHATBOT_KEY_RING_FILE";
/// File with the keys that sign access tokens ([`crate::identity::SIGNING_KEYS`]).
pub const SIGNING_KEYS_FILE: &str = "CHATBOT_SIGNING_KEYS_FILE";

/// MySQL servers, `host:port` separated by commas.
pub const MYSQL_HOSTS: &str = "CHATBOT_MYSQL_HOSTS";
/// `group` to follow the primary of a replication group, `single` to use the first host as it is.
pub const MYSQL_TOPOLOGY: &str = "CHATBOT_MYSQL_TOPOLOGY";
/// MySQL account.
pub const MYSQL_USER: &str = "CHATBOT_MYSQL_USER";
/// File with the account's password.
pub const MYSQL_PASSWORD_FILE: &str = "CHATBOT_MYSQL_PASSWORD_FILE";
/// `verified` to check the server's certificate and its name, `unverified` to encrypt alone.
pub const MYSQL_TLS: &str = "CHATBOT_MYSQL_TLS";
/// File with the certificate authorities (PEM) that MySQL's certificate is checked with, besides the system's roots.
pub const MYSQL_CA_FILE: &str = "CHATBOT_MYSQL_CA_FILE";
/// Schema (database) of this workload; `migrate` reads [`MYSQL_USERS_SCHEMA`] and [`MYSQL_CONVERSATIONS_SCHEMA`].
pub const MYSQL_SCHEMA: &str = "CHATBOT_MYSQL_SCHEMA";
/// Schema of the user workload, for `migrate`.
pub const MYSQL_USERS_SCHEMA: &str = "CHATBOT_MYSQL_USERS_SCHEMA";
/// Schema of the storage workload, for `migrate`.
pub const MYSQL_CONVERSATIONS_SCHEMA: &str = "CHATBOT_MYSQL_CONVERSATIONS_SCHEMA";

/// Redis servers, `host:port` separated by commas: the Sentinels with topology `sentinel`, else the one server. Absent
/// where there is no Redis.
pub const REDIS_HOSTS: &str = "CHATBOT_REDIS_HOSTS";
/// `sentinel` to follow the primary that Sentinels name, `single` to use the first host as it is.
pub const REDIS_TOPOLOGY: &str = "CHATBOT_REDIS_TOPOLOGY";
/// ACL user, of Redis and of Sentinel.
pub const REDIS_USER: &str = "CHATBOT_REDIS_USER";
/// File with the user's password.
pub const REDIS_PASSWORD_FILE: &str = "CHATBOT_REDIS_PASSWORD_FILE";
/// `true` to speak TLS.
pub const REDIS_TLS: &str = "CHATBOT_REDIS_TLS";
/// File with the certificate authorities (PEM) that Redis' certificate is checked with; absent: the system's roots.
pub const REDIS_CA_FILE: &str = "CHATBOT_REDIS_CA_FILE";
/// Kafka servers to begin with, `host:port` separated by commas. Absent: no events are told.
pub const KAFKA_BOOTSTRAP_SERVERS: &str = "CHATBOT_KAFKA_BOOTSTRAP_SERVERS";
/// Kafka user.
pub const KAFKA_USER: &str = "CHATBOT_KAFKA_USER";
/// File with the user's password.
pub const KAFKA_PASSWORD_FILE: &str = "CHATBOT_KAFKA_PASSWORD_FILE";
/// SASL mechanism: `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`.
pub const KAFKA_MECHANISM: &str = "CHATBOT_KAFKA_MECHANISM";
/// `true` for TLS.
pub const KAFKA_TLS: &str = "CHATBOT_KAFKA_TLS";
/// File with the certificate authorities (PEM) that Kafka's certificates are checked with; absent: the system's roots.
pub const KAFKA_CA_FILE: &str = "CHATBOT_KAFKA_CA_FILE";
/// What topic names begin with ([`crate::events::Topic`]).
pub const KAFKA_TOPIC_PREFIX: &str = "CHATBOT_KAFKA_TOPIC_PREFIX";
/// Servers that speak MongoDB's protocol, `host:port` separated by commas. Absent: nothing is archived.
pub const DOCUMENTS_HOSTS: &str = "CHATBOT_DOCUMENTS_HOSTS";
/// Name of the replica set that the servers form; absent for a single server, as FerretDB is.
pub const DOCUMENTS_REPLICA_SET: &str = "CHATBOT_DOCUMENTS_REPLICA_SET";
/// Database of this system; the account is looked up in `admin`.
pub const DOCUMENTS_DATABASE: &str = "CHATBOT_DOCUMENTS_DATABASE";
/// Account of the document store, with SCRAM-SHA-256.
pub const DOCUMENTS_USER: &str = "CHATBOT_DOCUMENTS_USER";
/// File with the account's password.
pub const DOCUMENTS_PASSWORD_FILE: &str = "CHATBOT_DOCUMENTS_PASSWORD_FILE";
/// `true` for TLS.
pub const DOCUMENTS_TLS: &str = "CHATBOT_DOCUMENTS_TLS";
/// File with the certificate authorities (PEM) that the document store's certificate is checked with; absent: the
/// system's roots.
pub const DOCUMENTS_CA_FILE: &str = "CHATBOT_DOCUMENTS_CA_FILE";
/// Days that transcripts are kept in the document store; absent: as long as the conversation.
pub const DOCUMENTS_RETENTION_DAYS: &str = "CHATBOT_DOCUMENTS_RETENTION_DAYS";
/// Days that requests are kept in the document store; absent: 30.
pub const DOCUMENTS_REQUEST_RETENTION_DAYS: &str = "CHATBOT_DOCUMENTS_REQUEST_RETENTION_DAYS";
/// `true` where a document store keeps what was asked for: then the gateway tells of each request.
pub const LOG_REQUESTS: &str = "CHATBOT_LOG_REQUESTS";

/// `true` to let webhooks be at `http` addresses, too.
pub const WEBHOOKS_ALLOW_HTTP: &str = "CHATBOT_WEBHOOKS_ALLOW_HTTP";
/// Networks (CIDR) that webhooks may be in although they are not part of the public internet, separated by commas.
pub const WEBHOOKS_ALLOWED_NETWORKS: &str = "CHATBOT_WEBHOOKS_ALLOWED_NETWORKS";

/// `groq`, `openai-compatible` or `echo`.
pub const LLM_PROVIDER: &str = "CHATBOT_LLM_PROVIDER";
/// Base URL of the model API, up to and without `/chat/completions`.
pub const LLM_BASE_URL: &str = "CHATBOT_LLM_BASE_URL";
/// File with the model API's key.
pub const LLM_API_KEY_FILE: &str = "CHATBOT_LLM_API_KEY_FILE";
/// Model used when a request names none.
pub const LLM_MODEL: &str = "CHATBOT_LLM_MODEL";
/// Models tried in order when one is unavailable, separated by commas.
pub const LLM_FALLBACK_MODELS: &str = "CHATBOT_LLM_FALLBACK_MODELS";
/// System prompt.
pub const LLM_SYSTEM_PROMPT: &str = "CHATBOT_LLM_SYSTEM_PROMPT";
/// Sampling temperature, 0 to 2.
pub const LLM_TEMPERATURE: &str = "CHATBOT_LLM_TEMPERATURE";
/// Most tokens of one answer.
pub const LLM_MAX_COMPLETION_TOKENS: &str = "CHATBOT_LLM_MAX_COMPLETION_TOKENS";

/// API key of Groq itself: for `standalone` only, which people start by hand.
pub const GROQ_API_KEY: &str = "GROQ_API_KEY";
/// Folder with the data and the keys of `standalone`.
pub const DATA_DIR: &str = "CHATBOT_DATA_DIR";

/// `open` or `closed`.
pub const REGISTRATION: &str = "CHATBOT_REGISTRATION";
/// Life of an access token, in seconds.
pub const ACCESS_TOKEN_TTL_SECONDS: &str = "CHATBOT_ACCESS_TOKEN_TTL_SECONDS";
/// Life of a refresh token, in seconds.
pub const REFRESH_TOKEN_TTL_SECONDS: &str = "CHATBOT_REFRESH_TOKEN_TTL_SECONDS";
/// Requests of one user in a minute, over time.
pub const RATE_LIMIT_REQUESTS_PER_MINUTE: &str = "CHATBOT_RATE_LIMIT_REQUESTS_PER_MINUTE";
/// Requests of one user at once.
pub const RATE_LIMIT_BURST: &str = "CHATBOT_RATE_LIMIT_BURST";
/// Tokens of one user in 24 hours.
pub const RATE_LIMIT_TOKENS_PER_DAY: &str = "CHATBOT_RATE_LIMIT_TOKENS_PER_DAY";
/// `true` where every request comes through a load balancer that sets `X-Forwarded-For` itself.
pub const TRUST_FORWARDED_FOR: &str = "CHATBOT_TRUST_FORWARDED_FOR";
/// Origins allowed by CORS, separated by commas.
pub const CORS_ORIGINS: &str = "CHATBOT_CORS_ORIGINS";

/// Host of the SMTP server. Absent: no mails are sent.
pub const MAIL_HOST: &str = "CHATBOT_MAIL_HOST";
/// Port of the SMTP server.
pub const MAIL_PORT: &str = "CHATBOT_MAIL_PORT";
/// `required` for TLS from the first byte, `starttls` for TLS before anything is said, `none`.
pub const MAIL_TLS: &str = "CHATBOT_MAIL_TLS";
/// File with the certificate authorities (PEM) that the SMTP server's certificate is checked with; absent: the system's
/// roots.
pub const MAIL_CA_FILE: &str = "CHATBOT_MAIL_CA_FILE";
/// Whom mails are from: `name@example.org`, or `Name <name@example.org>`.
pub const MAIL_FROM: &str = "CHATBOT_MAIL_FROM";
/// Account of the SMTP server.
pub const MAIL_USER: &str = "CHATBOT_MAIL_USER";
/// File with the account's password.
pub const MAIL_PASSWORD_FILE: &str = "CHATBOT_MAIL_PASSWORD_FILE";
