//! Brings a schema up to date.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use sqlx::Connection as _;
use sqlx::migrate::Migrator;

use super::{Database, Error};

/// Applies what `migrator` holds and the schema has not; tries again until the deadline of `database`
/// while no server takes writes.
///
/// MySQL commits each DDL statement by itself, so every migration is one statement that does no
/// harm when it is run twice (`… IF NOT EXISTS`). That is why the mark of a migration that was cut
/// off can be taken away here and the migration run again; a newer release's migrations are left alone.
///
/// # Errors
/// Fails when no server takes writes in time, or a statement fails.
pub async fn migrate(database: &Database, migrator: &Migrator) -> Result<(), Error> {
    let delays = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_total_delay(Some(database.config().deadline))
        .with_jitter();
    (|| once(database, migrator))
        .retry(delays)
        .when(|error: &Error| error.category().is_transient())
        .await
}

async fn once(database: &Database, migrator: &Migrator) -> Result<(), Error> {
    let mut connection = database.connect().await?;
    // Two migrations at once would take away each other's marks. The lock ends with the connection.
    sqlx::query("SELECT GET_LOCK(CONCAT('chatbot-migrate-', DATABASE()), 600)")
        .execute(&mut connection)
        .await?;
    let known: u64 = sqlx::query_scalar(
        "SELECT CAST(COUNT(*) AS UNSIGNED) FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = '_sqlx_migrations'",
    )
    .fetch_one(&mut connection)
    .await?;
    if known > 0 {
        sqlx::query("DELETE FROM _sqlx_migrations WHERE success = FALSE")
            .execute(&mut connection)
            .await?;
    }
    let mut tolerant = Migrator {
        migrations: migrator.migrations.clone(),
        ..Migrator::DEFAULT
    };
    tolerant.set_ignore_missing(true);
    tolerant.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
