//! Wires a workload to the process: arguments, logs, sockets, signals.

use std::net::SocketAddr;

use chatbot_contract::{Workload, environment, exit};
use chatbot_runtime::config::{Common, ConfigError};
use chatbot_runtime::context::Context;
use chatbot_runtime::serve::{self, Listeners, ServeError, Service};
use chatbot_runtime::sqlite;
use chatbot_runtime::telemetry::{self, TelemetryError};
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::dead_letters::{self, ReplayError};
use crate::documents::{self, DocumentsError};
use crate::migrate::{self, MigrateError};
use crate::requests::{self, RequestsError};
use crate::standalone::{self, DataError};

/// The chatbot: one program, run once for each workload, or once for all of them.
#[derive(Parser)]
#[command(name = "chatbot", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The public door: REST, WebSocket, the web page.
    Gateway(Process<chatbot_gateway::Config>),
    /// Generates answers.
    Chat(Process<chatbot_chat::Config>),
    /// Owns accounts.
    User(Process<chatbot_user::Config>),
    /// Owns conversations.
    Storage(Process<chatbot_storage::Config>),
    /// Brings the database up to date and ends.
    Migrate(migrate::Config),
    /// Deals with records that no consumer could handle.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Makes again what is made from the database.
    #[command(subcommand)]
    Rebuild(documents::Rebuild),
    /// Compares with the database what is made from it.
    #[command(subcommand)]
    Verify(documents::Verify),
    /// Prints what the document store keeps of requests, a line of JSON each, and ends.
    Requests(requests::Config),
    /// Runs the whole product in this process, on one SQLite file.
    Standalone(Box<standalone::Config>),
    /// Prints the description of the public interface and ends.
    Openapi,
}

/// A workload's settings, and those of every process.
#[derive(Args)]
#[group(skip)]
struct Process<C: Args> {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    config: C,
}

/// Why the process ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logs cannot be written.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// An address cannot be listened on.
    #[error("failed to listen on {address}, which {setting} sets")]
    Listen {
        address: SocketAddr,
        setting: &'static str,
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("failed to wait for signals")]
    Signal(#[source] std::io::Error),
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data file cannot be used.
    #[error(transparent)]
    Sqlite(#[from] sqlite::Error),
    /// The database was not brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Dead letters were not put back.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The archive is not as it should be.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// Requests were not printed.
    #[error(transparent)]
    Requests(#[from] RequestsError),
}

impl RunError {
    /// One of [`exit`], or 1; 2 is clap's, for arguments.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Telemetry(_)
            | Self::Data(_)
            | Self::Replay(ReplayError::Config(_))
            | Self::Documents(DocumentsError::Config(_))
            | Self::Requests(RequestsError::Config(_)) => exit::CONFIGURATION,
            Self::Migrate(error) => error.exit_code(),
            Self::Replay(ReplayError::Kafka(_))
            | Self::Documents(DocumentsError::Archive(_))
            | Self::Requests(RequestsError::Documents(_)) => exit::TRY_LATER,
            Self::Listen { .. }
            | Self::Signal(_)
            | Self::Serve(_)
            | Self::Sqlite(_)
            | Self::Documents(DocumentsError::Different(_)) => 1,
        }
    }
}

impl Cli {
    pub(crate) async fn run(self) -> Result<(), RunError> {
        // Only fails where one is installed already, and nobody else does that.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match self.command {
            Command::Gateway(process) => {
                process
                    .run(Workload::Gateway, chatbot_gateway::service)
                    .await
            }
            Command::Chat(process) => process.run(Workload::Chat, chatbot_chat::service).await,
            Command::User(process) => process.run(Workload::User, chatbot_user::service).await,
            Command::Storage(process) => {
                process
                    .run(Workload::Storage, chatbot_storage::service)
                    .await
            }
            Command::Migrate(config) => {
                telemetry::init(&config.log)?;
                Ok(migrate::run(config).await?)
            }
            Command::DeadLetters(command) => {
                telemetry::init(command.log())?;
                Ok(command.run().await?)
            }
            Command::Rebuild(command) => {
                telemetry::init(command.log())?;
                Ok(command.run().await?)
            }
            Command::Verify(command) => {
                telemetry::init(command.log())?;
                Ok(command.run().await?)
            }
            Command::Requests(config) => {
                telemetry::init(&config.log)?;
                Ok(requests::run(config).await?)
            }
            Command::Standalone(config) => standalone::run(*config).await,
            Command::Openapi => {
                print!("{}", chatbot_gateway::openapi::json());
                Ok(())
            }
        }
    }
}

impl<C: Args> Process<C> {
    async fn run(
        self,
        workload: Workload,
        wire: impl FnOnce(C, &Context) -> Result<Service, ConfigError>,
    ) -> Result<(), RunError> {
        let Self { common, config } = self;
        telemetry::init(&common.log)?;
        let context = Context::new(workload);
        let service = wire(config, &context)?;
        let listeners = Listeners {
            interface: listen(common.listen, environment::LISTEN).await?,
            admin: Some(listen(common.admin_listen, environment::ADMIN_LISTEN).await?),
        };
        let stop = stop()?;
        tracing::info!(%workload, listen = %common.listen, version = env!("CARGO_PKG_VERSION"), "serving");
        serve::run(listeners, service, context, common.drain(), stop).await?;
        Ok(())
    }
}

/// Takes the address that `setting` sets.
pub(crate) async fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen {
            address,
            setting,
            source,
        })
}

/// Comes true when the process is asked to end: by Ctrl-C or SIGTERM.
pub(crate) fn stop() -> Result<impl Future<Output = ()>, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_arguments_of_every_workload_fit_together() {
        Cli::command().debug_assert();
    }
}
