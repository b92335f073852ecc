//! Why something is not measured.

use std::path::PathBuf;

use chatbot_runtime::config::ConfigError;
use chatbot_testkit::{deployment, documents, kafka, mysql, person};

/// Why something is not measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The binary was not built.
    #[error("there is no {}, which is what is measured; `make bench` builds it", .0.display())]
    NoProgram(PathBuf),
    /// A deployment does not run.
    #[error("failed to run a deployment")]
    Deployment(#[from] deployment::Error),
    /// There is no MySQL.
    #[error("failed to run MySQL")]
    Mysql(#[from] mysql::Error),
    /// There is no Kafka.
    #[error("failed to run Kafka")]
    Kafka(#[from] kafka::Error),
    /// There is no document store.
    #[error("failed to run a document store")]
    Documents(#[from] documents::Error),
    /// A person could not register.
    #[error("failed to make an account")]
    Person(#[from] person::Error),
    /// A turn failed.
    #[error("failed to {step}: {problem}")]
    Turn {
        /// Which half of it.
        step: &'static str,
        /// What was said.
        problem: String,
    },
    /// The archive could not be read.
    #[error("failed to look into the archive")]
    Look(#[from] mongodb::error::Error),
    /// MySQL did not tell what it did.
    #[error("failed to read MySQL's own numbers")]
    Counters(#[from] sqlx::Error),
    /// The key of the internal calls cannot be used.
    #[error("failed to read the deployment's key")]
    Key(#[from] ConfigError),
    /// A file cannot be read or written.
    #[error("failed to use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The numbers cannot be written.
    #[error("failed to write the numbers as JSON")]
    Json(#[from] serde_json::Error),
    /// There are no numbers.
    #[error("{0}")]
    Nothing(String),
}

/// What was measured, or why not.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        Self::File { path, source }
    }

    pub(crate) fn turn(step: &'static str, problem: impl ToString) -> Self {
        let problem = problem.to_string();
        Self::Turn { step, problem }
    }
}
