//! The connection that is there, and commands over it.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, Pipeline, RedisResult, ScriptInvocation};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Config, Error};
use crate::host::Host;

/// How long a command may take: a request waits so long for a Redis that hangs, and only the first one.
pub const RESPONSE_LIMIT: Duration = Duration::from_millis(250);

/// One Redis, wherever its primary is now. Clones share the connection.
#[derive(Clone)]
pub struct Redis {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) link: watch::Sender<Option<Link>>,
    /// Wakes the watch when a request has lost the connection.
    pub(super) lost: Notify,
}

/// A connection to the server that called itself a primary.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) host: Host,
    pub(super) connection: MultiplexedConnection,
    /// When it was made; it also tells connections apart.
    pub(super) since: Instant,
}

impl Redis {
    /// Makes the way to Redis where there is one; [`Redis::watch`] connects it.
    #[must_use]
    pub fn new(config: Config) -> Option<Self> {
        if config.hosts.is_empty() {
            return None;
        }
        Some(Self {
            inner: Arc::new(Inner {
                config,
                link: watch::Sender::new(None),
                lost: Notify::new(),
            }),
        })
    }

    /// Runs one command.
    ///
    /// # Errors
    /// [`Error::Away`] at once where there is no connection; else what Redis said.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.run(async |mut connection| command.query_async(&mut connection).await)
            .await
    }

    /// Runs several commands in one round trip.
    ///
    /// # Errors
    /// [`Error::Away`] at once where there is no connection; else what Redis said.
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Error> {
        self.run(async |mut connection| pipeline.query_async(&mut connection).await)
            .await
    }

    /// Runs a script, which a server that does not know it is told first.
    ///
    /// # Errors
    /// [`Error::Away`] at once where there is no connection; else what Redis said.
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        self.run(async |mut connection| script.invoke_async(&mut connection).await)
            .await
    }

    /// Waits until there is a connection.
    pub async fn connected(&self) {
        // The sender lives in `self`, so the channel stays open.
        let _ = self.inner.link.subscribe().wait_for(Option::is_some).await;
    }

    async fn run<T>(
        &self,
        work: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Error> {
        let link = self.inner.link.borrow().clone().ok_or(Error::Away)?;
        // A script may take two round trips, so the limit of the connection alone is not enough.
        let answer = tokio::time::timeout(2 * RESPONSE_LIMIT, work(link.connection)).await;
        let error = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(source)) => Error::at(&link.host, source),
            Err(_) => Error::Timeout {
                host: link.host.to_string(),
            },
        };
        if error.category().loses_the_server() {
            self.lose(link.since, &error);
        } else {
            tracing::warn!(error = error.chain(), "a command of Redis failed");
        }
        Err(error)
    }

    /// Drops the connection made at `since`, unless another took its place already.
    fn lose(&self, since: Instant, error: &Error) {
        let lost = self.inner.link.send_if_modified(|link| {
            let same = link.as_ref().is_some_and(|link| link.since == since);
            if same {
                *link = None;
            }
            same
        });
        if lost {
            tracing::warn!(error = error.chain(), "the connection to Redis is lost");
            self.inner.lost.notify_one();
        }
    }
}
