//! What can go wrong in a test, apart from what it tests.

use std::time::Duration;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster is not there or not prepared.
    #[error("{0}")]
    Setup(String),
    /// The API server refused or did not answer.
    #[error("failed to {step}")]
    Kubernetes {
        /// What was attempted.
        step: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// A watch broke.
    #[error("failed to watch {what}")]
    Watch {
        /// What was watched.
        what: String,
        /// The cause.
        #[source]
        source: Box<kube::runtime::wait::Error>,
    },
    /// What was waited for did not come.
    #[error("gave up after {limit:?} waiting for {what}; last seen: {seen}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was there instead.
        seen: String,
    },
    /// A request of a person failed.
    #[error("failed to {step}: {cause}")]
    Http {
        /// What was attempted.
        step: String,
        /// The cause, with its own causes.
        cause: String,
    },
    /// A program ended with an error.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// What it said.
        output: String,
    },
    /// Something went wrong for a person.
    #[error(transparent)]
    Person(#[from] chatbot_testkit::person::Error),
    /// What is seen is not what must be.
    #[error("{0}")]
    Wrong(String),
}

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an error of the API server.
    pub fn kubernetes(step: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let step = step.into();
        move |source| Self::Kubernetes {
            step,
            source: Box::new(source),
        }
    }

    /// Wraps an error of a request, with its causes.
    pub fn http<E: std::error::Error>(step: impl Into<String>) -> impl FnOnce(E) -> Self {
        let step = step.into();
        move |error| Self::Http {
            step,
            cause: chain(&error),
        }
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Fails with what is wrong unless it holds.
///
/// # Errors
/// It does not hold.
pub fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Wrong(wrong()))
    }
}
