//! What can go wrong on the way to Redis, and what it means.

use std::path::PathBuf;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use chatbot_contract::report::DependencyState;

use crate::config::ConfigError;
use crate::host::Host;
use crate::{telemetry, tls};

/// A failure of Redis, or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection now; one is looked for in the background.
    #[error("Redis is not connected")]
    Away,
    /// A command or a connection failed.
    #[error("Redis at {host} failed")]
    Redis {
        /// Which.
        host: String,
        /// Why.
        source: RedisError,
    },
    /// A server did not answer in time.
    #[error("Redis at {host} did not answer in time")]
    Timeout {
        /// Which.
        host: String,
    },
    /// The server takes no writes.
    #[error("Redis at {host} is a {role}")]
    NotPrimary {
        /// Which.
        host: String,
        /// What it calls itself.
        role: String,
    },
    /// No Sentinel names a primary.
    #[error("no Sentinel names a Redis primary: {seen}")]
    NoPrimary {
        /// What each said.
        seen: String,
    },
    /// There is no TLS with the server.
    #[error("there is no TLS with Redis at {host}: {problem}")]
    Tls {
        /// Which.
        host: String,
        /// Why, in words for a person.
        problem: String,
    },
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Authority(#[from] ConfigError),
    /// The password cannot be read.
    #[error("failed to read the Redis password from {}", .path.display())]
    Password {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// No connection, or it broke, or no answer in time.
    Unreachable,
    /// The server is not, or no longer, the one that takes writes.
    NotPrimary,
    /// Our credentials are refused.
    Refused,
    /// Everything else: a right is missing, a command is wrong, memory is full, a certificate is not trusted.
    Failing,
}

impl Error {
    pub(super) fn at(host: &Host, source: RedisError) -> Self {
        let host = host.to_string();
        if source.is_timeout() {
            Self::Timeout { host }
        } else if let Some(problem) = tls::problem(&source) {
            Self::Tls { host, problem }
        } else {
            Self::Redis { host, source }
        }
    }

    /// What this failure means.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Away | Self::Timeout { .. } | Self::NoPrimary { .. } => Category::Unreachable,
            Self::NotPrimary { .. } => Category::NotPrimary,
            Self::Password { .. } => Category::Refused,
            Self::Tls { .. } | Self::Authority(_) => Category::Failing,
            Self::Redis { source, .. } => of_redis(source),
        }
    }

    /// The error with its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        telemetry::chain(self)
    }
}

impl Category {
    /// Whether the connection is of no more use.
    #[must_use]
    pub const fn loses_the_server(self) -> bool {
        !matches!(self, Self::Failing)
    }

    /// How the report calls it.
    #[must_use]
    pub const fn state(self) -> DependencyState {
        match self {
            Self::Unreachable => DependencyState::Unreachable,
            Self::Refused => DependencyState::Refused,
            Self::NotPrimary | Self::Failing => DependencyState::Failing,
        }
    }
}

fn of_redis(error: &RedisError) -> Category {
    // The library knows no kind for these codes of the server.
    if matches!(error.code(), Some("WRONGPASS" | "NOAUTH")) {
        return Category::Refused;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Category::Refused,
        ErrorKind::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
        ) => Category::NotPrimary,
        ErrorKind::Io => Category::Unreachable,
        _ if error.is_connection_dropped() => Category::Unreachable,
        _ => Category::Failing,
    }
}

#[cfg(test)]
mod tests {
    use ::redis::{RedisError, make_extension_error};

    use super::{Category, of_redis};

    fn server(code: &str) -> RedisError {
        make_extension_error(code.to_owned(), Some("detail".to_owned()))
    }

    #[test]
    fn a_refused_login_is_no_missing_server() {
        assert_eq!(of_redis(&server("WRONGPASS")), Category::Refused);
        assert_eq!(of_redis(&server("NOAUTH")), Category::Refused);
        assert_eq!(of_redis(&server("OOM")), Category::Failing);
        let closed = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(of_redis(&closed), Category::Unreachable);
    }

    #[test]
    fn a_full_memory_keeps_the_connection() {
        assert!(!of_redis(&server("OOM")).loses_the_server());
    }
}
