//! What can go wrong on the way to MySQL, and what it means.

use std::path::PathBuf;

use chatbot_contract::report::DependencyState;
use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlDatabaseError;

use crate::config::ConfigError;
use crate::host::Host;
use crate::tls;

/// A failure of MySQL, or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement or a connection failed.
    #[error("MySQL failed")]
    Sql(#[from] sqlx::Error),
    /// A migration failed.
    #[error("failed to bring the schema up to date")]
    Migrate(#[from] MigrateError),
    /// The password cannot be read.
    #[error("failed to read the MySQL password from {}", .path.display())]
    Password {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no TLS with the server.
    #[error("there is no TLS with MySQL at {host}: {problem}")]
    Tls {
        /// Which.
        host: String,
        /// Why, in words for a person.
        problem: String,
    },
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Authority(#[from] ConfigError),
    /// A server did not answer in time.
    #[error("MySQL at {host} did not answer in time")]
    Timeout {
        /// Which.
        host: String,
    },
    /// Servers answered, and none of them is the primary.
    #[error("no MySQL server calls itself the primary: {seen}")]
    NoPrimary {
        /// What each said.
        seen: String,
    },
    /// The server stopped to be the primary while the unit of work ran.
    #[error("MySQL at {host} is no longer the primary")]
    Lost {
        /// Which.
        host: String,
    },
    /// The server takes no writes.
    #[error("MySQL at {host} is read-only")]
    ReadOnly {
        /// Which.
        host: String,
    },
}

/// What a failure means: for the one who may try again, for metrics, for the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// No connection, or it broke, or no answer in time.
    Unreachable,
    /// The server is not, or no longer, the one that takes writes.
    NotPrimary,
    /// Another transaction was in the way.
    Conflict,
    /// No connection was free.
    Busy,
    /// Our credentials are refused.
    Refused,
    /// The schema, a table or a right is missing, or the server's certificate is not trusted.
    Misconfigured,
    /// A row with this key exists.
    Duplicate,
    /// Everything else: a defect of ours.
    Defect,
}

impl Error {
    /// What it means that a connection to `host` was not made.
    pub(super) fn at(host: &Host, source: sqlx::Error) -> Self {
        let problem = match &source {
            sqlx::Error::Tls(problem) => Some(problem.to_string()),
            source => tls::problem(source),
        };
        match problem {
            Some(problem) => Self::Tls {
                host: host.to_string(),
                problem,
            },
            None => Self::Sql(source),
        }
    }

    /// What this failure means.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Sql(error)
            | Self::Migrate(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            ) => Category::of(error),
            Self::Migrate(_) => Category::Defect,
            Self::Password { .. } | Self::Tls { .. } | Self::Authority(_) => {
                Category::Misconfigured
            }
            Self::Timeout { .. } => Category::Unreachable,
            Self::NoPrimary { .. } | Self::Lost { .. } | Self::ReadOnly { .. } => {
                Category::NotPrimary
            }
        }
    }

    /// The failure with its cause, in one line.
    pub(super) fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // sqlx repeats its source in its own message.
            if !line.contains(&cause_text) {
                line.push_str(": ");
                line.push_str(&cause_text);
            }
            source = cause.source();
        }
        line
    }
}

impl Category {
    /// What an error of sqlx means.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => database
                .try_downcast_ref::<MySqlDatabaseError>()
                .map_or(Self::Defect, |error| Self::of_number(error.number())),
            // A broken exchange of packets is a broken connection.
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unreachable,
            sqlx::Error::PoolTimedOut => Self::Busy,
            _ => Self::Defect,
        }
    }

    /// What an error number of MySQL 9.7 means.
    #[must_use]
    pub fn of_number(number: u16) -> Self {
        match number {
            // Shutdown; network errors; query or session killed; server away; idle too long.
            1053 | 1152 | 1158..=1161 | 1184 | 1189 | 1190 | 1317 | 3168 | 3169 | 4031 => {
                Self::Unreachable
            }
            // Read-only by an option (1290), by read_only (1836) or in a transaction (1792); offline
            // mode (3032); group replication stopped or rolled the commit back (3100, 3101); a new
            // primary did not come to the end of its backlog (3781 to 3783), or the member is in no
            // state for the consistency that is asked for (3796 to 3799).
            1290 | 1792 | 1836 | 3032 | 3100 | 3101 | 3781..=3783 | 3796..=3799 => Self::NotPrimary,
            // Lock wait, deadlock; the definition of a table changed.
            1205 | 1213 | 1412 | 3572 => Self::Conflict,
            // Too many connections, of all and of this account.
            1040 | 1203 | 1226 => Self::Busy,
            // Access denied; password expired; host not allowed or blocked; account locked;
            // authentication that is not supported.
            1045 | 1129 | 1130 | 1251 | 1524 | 1698 | 1820 | 1862 | 3118 | 3159 | 3955 => {
                Self::Refused
            }
            // No right to the schema, table, column or operation; no such schema, column, table.
            1044 | 1049 | 1054 | 1109 | 1142 | 1143 | 1146 | 1227 | 1370 => Self::Misconfigured,
            1022 | 1062 | 1169 | 1586 => Self::Duplicate,
            _ => Self::Defect,
        }
    }

    /// Whether another attempt can go well without anybody's help.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::NotPrimary | Self::Conflict | Self::Busy
        )
    }

    /// Whether the server must be looked for again.
    #[must_use]
    pub const fn loses_the_server(self) -> bool {
        matches!(self, Self::Unreachable | Self::NotPrimary | Self::Refused)
    }

    /// The state to report.
    #[must_use]
    pub const fn state(self) -> DependencyState {
        match self {
            Self::Unreachable => DependencyState::Unreachable,
            Self::Refused => DependencyState::Refused,
            _ => DependencyState::Failing,
        }
    }

    /// The name for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NotPrimary => "not_primary",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Misconfigured => "misconfigured",
            Self::Duplicate => "duplicate",
            Self::Defect => "defect",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Category, Error};
    use chatbot_contract::report::DependencyState;

    #[test]
    fn what_a_failover_causes_is_tried_again() {
        for number in [
            1290, 1836, 3100, 3101, 1213, 1205, 1053, 3032, 1317, 3781, 3783, 3797,
        ] {
            assert!(Category::of_number(number).is_transient(), "{number}");
        }
        let broken = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert!(Category::of(&broken).is_transient());
        assert!(
            Error::NoPrimary {
                seen: String::new()
            }
            .category()
            .is_transient()
        );
        assert!(Category::of(&sqlx::Error::PoolTimedOut).is_transient());
    }

    #[test]
    fn what_no_attempt_can_cure_is_not_tried_again() {
        for number in [1045, 1049, 1062, 1064, 1146, 1142, 1406] {
            assert!(!Category::of_number(number).is_transient(), "{number}");
        }
        assert!(!Category::of(&sqlx::Error::RowNotFound).is_transient());
    }

    #[test]
    fn a_conflict_keeps_the_server_and_a_read_only_one_is_left() {
        assert!(!Category::of_number(1213).loses_the_server());
        assert!(Category::of_number(1290).loses_the_server());
        assert!(Category::of_number(1053).loses_the_server());
    }

    #[test]
    fn the_report_tells_an_unreachable_server_from_one_that_refuses() {
        let unreachable = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        assert_eq!(
            Category::of(&unreachable).state(),
            DependencyState::Unreachable
        );
        assert_eq!(Category::of_number(1045).state(), DependencyState::Refused);
        assert_eq!(Category::of_number(1049).state(), DependencyState::Failing);
        assert_eq!(Category::of_number(1290).state(), DependencyState::Failing);
    }
}
