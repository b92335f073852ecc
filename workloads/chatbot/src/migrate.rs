//! `chatbot migrate`: makes the schemas where they are missing, and brings them up to date.

use std::path::PathBuf;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use chatbot_contract::{environment, exit, mysql as names};
use chatbot_runtime::host::Host;
use chatbot_runtime::mysql::{self, Database, Tls, Topology};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _};

/// A schema that every account may read: the place from which others are made.
const ANYWHERE: &str = "information_schema";

/// Settings of the migration.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Config {
    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = environment::LOG, default_value = "info")]
    pub(crate) log: String,
    /// Servers, `host:port` separated by commas.
    #[arg(long, env = environment::MYSQL_HOSTS, value_delimiter = ',', required = true)]
    mysql_hosts: Vec<Host>,
    /// Whether the servers are a replication group.
    #[arg(long, env = environment::MYSQL_TOPOLOGY, value_enum, default_value_t = Topology::Group)]
    mysql_topology: Topology,
    /// Account that owns the schemas.
    #[arg(long, env = environment::MYSQL_USER, default_value = names::MIGRATE_ACCOUNT)]
    mysql_user: String,
    /// File with the account's password.
    #[arg(long, env = environment::MYSQL_PASSWORD_FILE)]
    mysql_password_file: PathBuf,
    /// Whether the server's certificate is checked.
    #[arg(long, env = environment::MYSQL_TLS, value_enum, default_value_t = Tls::Unverified)]
    mysql_tls: Tls,
    /// File with the certificate authorities that it is checked with, besides the system's roots.
    #[arg(long, env = environment::MYSQL_CA_FILE)]
    mysql_ca_file: Option<PathBuf>,
    /// Schema of the user workload.
    #[arg(long, env = environment::MYSQL_USERS_SCHEMA, default_value = names::USERS_SCHEMA, value_parser = identifier)]
    mysql_users_schema: String,
    /// Schema of the storage workload.
    #[arg(long, env = environment::MYSQL_CONVERSATIONS_SCHEMA, default_value = names::CONVERSATIONS_SCHEMA, value_parser = identifier)]
    mysql_conversations_schema: String,
    /// Seconds to wait for a server that takes writes.
    #[arg(long, default_value_t = 120)]
    wait_seconds: u64,
}

/// Why the schemas are not up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// Whether the schema is there could not be asked.
    #[error("failed to look for the schema {schema}")]
    Look {
        schema: String,
        source: mysql::Error,
    },
    /// The schema is missing and could not be made.
    #[error("failed to make the schema {schema}; give the account the right, or make it yourself")]
    Create {
        schema: String,
        source: mysql::Error,
    },
    /// A migration failed.
    #[error("failed to migrate the schema {schema}")]
    Migrate {
        schema: String,
        source: mysql::Error,
    },
}

impl MigrateError {
    /// The exit code that tells the operator what kind of failure it is.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.category() {
            mysql::Category::Refused => exit::REFUSED,
            category if category.is_transient() => exit::TRY_LATER,
            _ => 1,
        }
    }

    fn category(&self) -> mysql::Category {
        let (Self::Look { source, .. }
        | Self::Create { source, .. }
        | Self::Migrate { source, .. }) = self;
        source.category()
    }
}

pub(crate) async fn run(config: Config) -> Result<(), MigrateError> {
    let schemas: [(&String, &Migrator); 2] = [
        (&config.mysql_users_schema, &chatbot_user::MIGRATIONS),
        (
            &config.mysql_conversations_schema,
            &chatbot_storage::MIGRATIONS,
        ),
    ];
    for (schema, migrations) in schemas {
        tracing::info!(
            schema,
            "looking for the schema, and for a server that takes writes"
        );
        let made = (|| create(&config, schema))
            .retry(delays(config.wait_seconds))
            .when(|error: &MigrateError| error.category().is_transient())
            .notify(|error, _| {
                tracing::info!(
                    error = chatbot_runtime::telemetry::chain(error),
                    "trying again"
                )
            })
            .await?;
        let steps = migrations.iter().count();
        tracing::info!(schema, made, steps, "bringing the schema up to date");
        mysql::migrate(&database(&config, schema), migrations)
            .await
            .map_err(|source| MigrateError::Migrate {
                schema: schema.clone(),
                source,
            })?;
        tracing::info!(schema, "the schema is up to date");
    }
    Ok(())
}

/// Makes a schema where it is missing; says whether it was.
async fn create(config: &Config, schema: &str) -> Result<bool, MigrateError> {
    let look = |source| MigrateError::Look {
        schema: schema.to_owned(),
        source,
    };
    let mut connection = database(config, ANYWHERE).connect().await.map_err(look)?;
    let there: Option<String> = sqlx::query_scalar(
        "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata WHERE schema_name = ?",
    )
    .bind(schema)
    .fetch_optional(&mut connection)
    .await
    .map_err(|error| look(error.into()))?;
    if there.is_none() {
        // `identifier` has let nothing through that needs quoting.
        let statement = format!(
            "CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        );
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .map_err(|error| MigrateError::Create {
                schema: schema.to_owned(),
                source: error.into(),
            })?;
    }
    // Nothing is left to be said to the server: how it takes the goodbye does not matter.
    let _ = connection.close().await;
    Ok(there.is_none())
}

fn database(config: &Config, schema: &str) -> Database {
    Database::new(mysql::Config {
        hosts: config.mysql_hosts.clone(),
        topology: config.mysql_topology,
        user: config.mysql_user.clone(),
        password_file: config.mysql_password_file.clone(),
        tls: config.mysql_tls,
        ca_file: config.mysql_ca_file.clone(),
        schema: schema.to_owned(),
        deadline: Duration::from_secs(config.wait_seconds),
    })
}

fn delays(seconds: u64) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_total_delay(Some(Duration::from_secs(seconds)))
}

fn identifier(text: &str) -> Result<String, String> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && (1..=64).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err("a schema's name here is 1 to 64 letters, digits and underscores".to_owned())
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn a_schema_has_a_plain_name() {
        assert!(identifier("users_2").is_ok());
        for bad in ["", "a`b", "a b", &"a".repeat(65)] {
            assert!(identifier(bad).is_err(), "{bad}");
        }
    }
}
