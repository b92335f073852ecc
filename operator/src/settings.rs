//! What the operator is told at its start: read once, passed down.

use std::net::SocketAddr;

/// Settings of `chatbot-operator run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Image of the workloads where the spec names none.
    #[arg(long, env = "WORKLOAD_IMAGE")]
    pub workload_image: String,

    /// Image of the operator itself: the engines' agents are copied from it.
    #[arg(long, env = "OPERATOR_IMAGE")]
    pub operator_image: String,

    /// Repository of the MySQL server's image; the version is its tag.
    #[arg(
        long,
        env = "MYSQL_REPOSITORY",
        default_value = "docker.io/library/mysql"
    )]
    pub mysql_repository: String,

    /// Repository of the Redis server's image; the version is its tag.
    #[arg(
        long,
        env = "REDIS_REPOSITORY",
        default_value = "docker.io/library/redis"
    )]
    pub redis_repository: String,

    /// Repository of the Kafka server's image; the version is its tag.
    #[arg(
        long,
        env = "KAFKA_REPOSITORY",
        default_value = "docker.io/apache/kafka"
    )]
    pub kafka_repository: String,

    /// Repository of the MongoDB server's image; the version is its tag.
    #[arg(
        long,
        env = "MONGO_REPOSITORY",
        default_value = "docker.io/library/mongo"
    )]
    pub mongo_repository: String,

    /// Image of PostgreSQL with the DocumentDB extension, the one that goes with FerretDB's.
    #[arg(
        long,
        env = "DOCUMENTDB_IMAGE",
        default_value = "ghcr.io/ferretdb/postgres-documentdb:17-0.107.0-ferretdb-2.7.0"
    )]
    pub documentdb_image: String,

    /// Image of FerretDB.
    #[arg(
        long,
        env = "FERRETDB_IMAGE",
        default_value = "ghcr.io/ferretdb/ferretdb:2.7.0"
    )]
    pub ferretdb_image: String,

    /// Image of nginx.
    #[arg(
        long,
        env = "NGINX_IMAGE",
        default_value = "docker.io/library/nginx:1.30"
    )]
    pub nginx_image: String,

    /// Namespaces to serve, separated by commas; all of them when empty.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Name of the Lease that says which replica acts.
    #[arg(long, env = "LEASE_NAME", default_value = "chatbot-operator")]
    pub lease_name: String,

    /// Namespace of the Lease: the operator's own.
    #[arg(long, env = "POD_NAMESPACE")]
    pub lease_namespace: String,

    /// Name of this replica in the Lease and in Events.
    #[arg(long, env = "POD_NAME")]
    pub identity: String,

    /// Address of probes and metrics.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
}
