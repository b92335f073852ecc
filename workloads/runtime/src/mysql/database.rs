//! The pool for the server that takes writes, and units of work on it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use sqlx::mysql::{MySqlConnection, MySqlPool, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions as _, Executor as _, MySql, Transaction};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Config, Error, Topology, primary};
use crate::host::Host;

/// Connections of one process. Four workload replicas of two kinds stay below MySQL's default of
/// 151 connections, with room for people and for a rolling update.
const CONNECTIONS: u32 = 12;

/// How long a unit waits for a free connection before it counts as a failed attempt.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);

/// How long one attempt may take: a server that hangs must not eat the whole deadline.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);

const SESSION: &str =
    "SET SESSION transaction_isolation = 'READ-COMMITTED', innodb_lock_wait_timeout = 5";

const SESSION_IN_GROUP: &str = "SET SESSION transaction_isolation = 'READ-COMMITTED', innodb_lock_wait_timeout = 5, \
     group_replication_consistency = 'BEFORE_ON_PRIMARY_FAILOVER'";

/// One schema on MySQL, wherever its primary is now. Clones share the pool.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    /// The lock is held while the server is looked for, so that one task looks and the others wait.
    server: Mutex<Option<Arc<Server>>>,
}

/// The server that took writes when it was asked last.
pub(super) struct Server {
    pub(super) host: Host,
    pool: MySqlPool,
    /// Set when another server is known to be the primary: what still runs here would only hang.
    lost: CancellationToken,
}

/// An open transaction. Dropping it rolls it back.
pub struct Tx {
    inner: Transaction<'static, MySql>,
}

/// The end of a unit of work that shall be committed; made by [`Tx::done`].
#[must_use = "a unit of work returns it, so that it is committed"]
pub struct Done<T> {
    tx: Tx,
    value: T,
}

/// The end of a unit of work that shall be rolled back.
#[derive(Debug)]
pub enum Abort<E> {
    /// MySQL failed; the unit may be tried again.
    Mysql(Error),
    /// The unit itself says no; it is not tried again.
    Refused(E),
}

impl<E> From<sqlx::Error> for Abort<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Mysql(error.into())
    }
}

impl Tx {
    /// Ends the unit of work: commit, then give `value` to the caller.
    pub fn done<T>(self, value: T) -> Done<T> {
        Done { tx: self, value }
    }
}

impl Deref for Tx {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.inner
    }
}

impl Database {
    /// Makes the way to a schema; nothing is connected yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                server: Mutex::new(None),
            }),
        }
    }

    /// Runs a unit of work in one transaction, again and again as a whole until it is committed,
    /// refuses, meets an error that no attempt can cure, or the deadline has passed.
    ///
    /// `unit` may run several times, and once more after a commit whose outcome is unknown: see
    /// the module's documentation for what it must do.
    ///
    /// # Errors
    /// The unit's own refusal, or the last failure of MySQL.
    pub async fn transaction<T, E, F, U>(&self, unit: F) -> Result<T, E>
    where
        F: Fn(Tx) -> U,
        U: Future<Output = Result<Done<T>, Abort<E>>>,
        E: From<Error>,
    {
        let unit = &unit;
        self.until_done(|server: Arc<Server>| async move {
            let inner = server.pool.begin().await?;
            let Done { tx, value } = unit(Tx { inner }).await?;
            tx.inner.commit().await?;
            Ok(value)
        })
        .await
    }

    /// Runs a unit of work that only reads, each of its statements for itself, under the same rules: without the two
    /// statements that a transaction costs, which at READ COMMITTED gives a reader nothing.
    ///
    /// # Errors
    /// The unit's own refusal, or the last failure of MySQL.
    pub async fn read<T, E, F, U>(&self, unit: F) -> Result<T, E>
    where
        F: Fn(PoolConnection<MySql>) -> U,
        U: Future<Output = Result<T, Abort<E>>>,
        E: From<Error>,
    {
        let unit = &unit;
        self.until_done(
            |server: Arc<Server>| async move { unit(server.pool.acquire().await?).await },
        )
        .await
    }

    /// Opens a connection of its own to the server that takes writes.
    ///
    /// # Errors
    /// Fails when there is no such server now, or it does not take the connection.
    pub async fn connect(&self) -> Result<MySqlConnection, Error> {
        let host = primary::find(&self.inner.config).await?;
        let connected = self.inner.config.options(&host)?.connect().await;
        connected.map_err(|source| Error::at(&host, source))
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    async fn until_done<T, E, F, U>(&self, work: F) -> Result<T, E>
    where
        F: Fn(Arc<Server>) -> U,
        U: Future<Output = Result<T, Abort<E>>>,
        E: From<Error>,
    {
        let give_up = Instant::now() + self.inner.config.deadline;
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_millis(500))
            .without_max_times()
            .with_jitter()
            .build();
        loop {
            let error = match self.attempt(&work).await {
                Ok(value) => return Ok(value),
                Err(Abort::Refused(refusal)) => return Err(refusal),
                Err(Abort::Mysql(error)) => error,
            };
            let delay = delays.next().unwrap_or(ACQUIRE_LIMIT);
            if !error.category().is_transient() || Instant::now() + delay >= give_up {
                tracing::warn!(
                    error = error.chain(),
                    category = error.category().name(),
                    "a unit of work failed"
                );
                return Err(error.into());
            }
            tracing::info!(
                error = error.chain(),
                category = error.category().name(),
                "a unit of work is tried again"
            );
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt<T, E, F, U>(&self, work: &F) -> Result<T, Abort<E>>
    where
        F: Fn(Arc<Server>) -> U,
        U: Future<Output = Result<T, Abort<E>>>,
    {
        let server = self.server().await.map_err(Abort::Mysql)?;
        let result = tokio::select! {
            biased;
            () = server.lost.cancelled() => Err(Abort::Mysql(Error::Lost { host: server.host.to_string() })),
            result = tokio::time::timeout(ATTEMPT_LIMIT, work(Arc::clone(&server))) => result
                .unwrap_or_else(|_| Err(Abort::Mysql(Error::Timeout { host: server.host.to_string() }))),
        };
        if let Err(Abort::Mysql(error)) = &result
            && error.category().loses_the_server()
        {
            self.forget(&server).await;
        }
        result
    }

    /// Gives the server that takes writes, looking for it where it is not known.
    async fn server(&self) -> Result<Arc<Server>, Error> {
        let mut current = self.inner.server.lock().await;
        if let Some(server) = current.as_ref() {
            return Ok(Arc::clone(server));
        }
        let host = primary::find(&self.inner.config).await?;
        let server = Arc::new(self.open(host)?);
        *current = Some(Arc::clone(&server));
        Ok(server)
    }

    /// The server in use, where there is one.
    pub(super) async fn current(&self) -> Option<Arc<Server>> {
        self.inner.server.lock().await.clone()
    }

    /// Uses `host` from now on, and breaks off what still runs on another server.
    pub(super) async fn follow(&self, host: Host) -> Result<(), Error> {
        let mut current = self.inner.server.lock().await;
        if let Some(server) = current.as_ref() {
            if server.host == host {
                return Ok(());
            }
            server.lost.cancel();
        }
        *current = Some(Arc::new(self.open(host)?));
        Ok(())
    }

    /// Drops the pool of `server`, unless another took its place already.
    async fn forget(&self, server: &Arc<Server>) {
        let mut current = self.inner.server.lock().await;
        current.take_if(|current| Arc::ptr_eq(current, server));
    }

    fn open(&self, host: Host) -> Result<Server, Error> {
        tracing::info!(host = host.to_string(), "using this MySQL server");
        let session = match self.inner.config.topology {
            Topology::Group => SESSION_IN_GROUP,
            Topology::Single => SESSION,
        };
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_LIMIT)
            // A dead connection fails an attempt, and the next one has a new pool: no need to ask first.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(session).await.map(|_| ()) })
            })
            .connect_lazy_with(self.inner.config.options(&host)?);
        Ok(Server {
            host,
            pool,
            lost: CancellationToken::new(),
        })
    }
}
