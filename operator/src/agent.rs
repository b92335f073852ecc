//! What the engines' agents share: an agent is the first process of an engine's container, the parent of
//! its server, and the one that tells how the server is.
//!
//! The program is this one, static, copied into the engine's own image by an init container. The agents
//! themselves stand beside their engines: [`crate::mysql::agent`], [`crate::redis::agent`],
//! [`crate::kafka::agent`], [`crate::documents::agent`], [`crate::documents::mongo::agent`].

pub(crate) mod board;
pub(crate) mod children;
pub(crate) mod crashes;
pub(crate) mod http;
pub(crate) mod life;
pub(crate) mod peers;
pub(crate) mod record;
pub(crate) mod settings;

pub use http::FACTS;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

/// Name of the program's file, as it is installed.
pub const PROGRAM: &str = "chatbot-operator";

/// What an agent failed to do, whatever its engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, a process or the network.
    #[error("failed to {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// No resolver.
    #[error("failed to set up the look-up of names")]
    Resolver(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No HTTP client.
    #[error("failed to set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Says what was attempted when it fails.
pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}

/// What the agent of a member tells, whatever the engine.
pub trait Told {
    /// Whether the member's server takes part, with all that it needs.
    #[must_use]
    fn in_step(&self) -> bool;

    /// What went wrong last, for a person.
    fn problem(&self) -> Option<&str>;
}

/// What became of removing what need not be there.
pub(crate) fn removed(done: std::io::Result<()>, what: impl Into<String>) -> Result<(), Error> {
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(what)(error)),
        _ => Ok(()),
    }
}

/// Copies this program into a folder.
///
/// # Errors
/// The program cannot be read or the folder not written.
pub fn install(folder: &Path) -> Result<(), Error> {
    let program = std::env::current_exe().map_err(io("find this program"))?;
    let target = folder.join(PROGRAM);
    // An init container may run twice: the file may be there, and the copy must never be half.
    let new = target.with_extension("new");
    std::fs::copy(&program, &new)
        .and_then(|_| std::fs::rename(&new, &target))
        .map_err(io(format!("copy this program to {}", target.display())))
}

/// Resolves when the container is told to stop: SIGTERM or SIGINT.
pub(crate) fn told_to_stop() -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(io("listen to signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("listen to signals"))?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
    })
}

/// Reads a value of the identity Secret, mounted as a file.
pub(crate) fn identity_text(folder: &Path, key: &str) -> Result<String, Error> {
    let path = folder.join(key);
    std::fs::read_to_string(&path)
        .map(|text| text.trim().to_owned())
        .map_err(io(format!("read {}", path.display())))
}

/// Reads the settings that a person chose for a server, where there is a file with some.
pub(crate) fn chosen_settings(file: Option<&Path>) -> Result<String, Error> {
    file.map_or_else(
        || Ok(String::new()),
        |path| std::fs::read_to_string(path).map_err(io(format!("read {}", path.display()))),
    )
}

/// Writes a file that only we can read: it may hold passwords.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}
