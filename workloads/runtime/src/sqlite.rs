//! The way to SQLite: one file, one connection that writes, a few that read.
//!
//! What changes something runs on the one writing connection ([`Database::write`]), one unit of work
//! after the other: what a unit has read stays true until its commit, and no unit ever meets
//! another's lock. Units that only read ([`Database::read`]) see a snapshot and wait for nobody,
//! which the write-ahead log makes possible.
//!
//! A commit has reached the disk when it returns (`synchronous = FULL`): an acknowledged change
//! survives the loss of the process and of the machine's power.
//!
//! Nothing here is tried again. There is no failover to wait for, and another process is kept away from
//! the file by its owner.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

/// Connections that read.
const READERS: u32 = 4;

/// How long a statement waits for a lock that a tool (a backup) holds on the file.
const BUSY: Duration = Duration::from_secs(5);

/// How long a unit of work waits for its turn.
const TURN: Duration = Duration::from_secs(30);

/// Result codes of SQLite after which another attempt can go well: busy, locked, read-only, input or
/// output failed, disk full, file cannot be opened (<https://sqlite.org/rescode.html>).
const MAY_PASS: [i32; 6] = [5, 6, 8, 10, 13, 14];

/// An open transaction; [`Tx::commit`] keeps it, dropping it rolls it back.
pub type Tx = Transaction<'static, Sqlite>;

/// One file. Clones share the connections.
#[derive(Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// The tables of one owner in the file, and how they are made.
#[derive(Clone, Copy)]
pub struct Schema {
    /// Its name: letters and underscores.
    pub name: &'static str,
    /// The steps that make it.
    pub migrations: &'static Migrator,
}

/// A failure of SQLite.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement failed.
    #[error("SQLite failed")]
    Sql(#[from] sqlx::Error),
    /// The file cannot be opened.
    #[error("failed to open the data file {}", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A newer release has changed the file.
    #[error(
        "the data file {} was written by a newer release of this program (step {step} of the schema {schema} is \
         not known here); run that release, or restore a backup made before it", .path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Name of the schema.
        schema: &'static str,
        /// The step that is not known.
        step: i64,
    },
    /// The schema cannot be brought up to date.
    #[error("failed to bring the schema {schema} of the data file {} up to date", .path.display())]
    Migrate {
        /// Which.
        path: PathBuf,
        /// Name of the schema.
        schema: &'static str,
        /// Why.
        source: MigrateError,
    },
}

impl Error {
    /// Whether another attempt can go well without a change of ours.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                // The lowest byte is the kind, the others say more about it.
                code.is_some_and(|code| MAY_PASS.contains(&(code & 0xff)))
            }
            _ => false,
        }
    }
}

impl Database {
    /// Opens the file at `path`, makes it where it is missing, and brings its schemas up to date.
    ///
    /// # Errors
    /// Fails when it is no such file, cannot be written, or was written by a newer release.
    pub async fn open(path: &Path, schemas: &[Schema]) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let writer = pool(1)
            .connect_with(options.clone().create_if_missing(true))
            .await
            .map_err(failed)?;
        for schema in schemas {
            migrate(&writer, path, *schema).await?;
        }
        let readers = pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self { writer, readers })
    }

    /// Begins a unit of work that changes something: it waits until it is the only one.
    ///
    /// # Errors
    /// Fails when its turn does not come in time.
    pub async fn write(&self) -> Result<Tx, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Begins a unit of work that only reads: all it reads is of one moment.
    ///
    /// # Errors
    /// Fails when no connection is free in time.
    pub async fn read(&self) -> Result<Tx, sqlx::Error> {
        self.readers.begin().await
    }

    /// Waits for running units of work and closes the file; the last one to close it leaves no log beside it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Connections that are all opened at once, and stay. A task that ends while one is being opened or tried leaves that to a thread
/// which nobody waits for: the file could be closed there last, by a reader, which may not take the log away.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(TURN)
        .min_connections(connections)
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Brings one schema up to date. Each step is one transaction, so one that was cut off left nothing.
async fn migrate(writer: &SqlitePool, path: &Path, schema: Schema) -> Result<(), Error> {
    let Schema { name, migrations } = schema;
    let migrator = Migrator {
        migrations: migrations.migrations.clone(),
        // Each owner of tables counts its own steps.
        table_name: format!("{name}_migrations").into(),
        ..Migrator::DEFAULT
    };
    migrator.run(writer).await.map_err(|source| match source {
        MigrateError::VersionMissing(step) => Error::Newer {
            path: path.to_owned(),
            schema: name,
            step,
        },
        source => Error::Migrate {
            path: path.to_owned(),
            schema: name,
            source,
        },
    })
}
