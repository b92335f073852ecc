//! The operator's binary: the operator itself, and the MySQL agent that it puts into pods.

use std::process::ExitCode;

use chatbot_operator::{agent, outcome, rbac, run, settings::Settings};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator.
    Run(Box<Settings>),
    /// Be the parent of a MySQL server, in its pod.
    MysqlAgent {
        /// What to do.
        #[command(subcommand)]
        command: agent::Command,
    },
    /// Print the rights that the operator needs, as YAML.
    Rbac,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match cli.command {
        Command::Run(settings) => {
            telemetry(&settings.log);
            block_on(run::run(*settings)).map_err(|error| outcome::chain(&error))
        }
        Command::MysqlAgent { command } => match command {
            agent::Command::Run(settings) => {
                telemetry(&settings.log);
                block_on(agent::run(*settings)).map_err(|error| outcome::chain(&error))
            }
            agent::Command::Install { folder } => {
                telemetry("info");
                agent::install(&folder).map_err(|error| outcome::chain(&error))
            }
        },
        Command::Rbac => {
            print!("{}", rbac::yaml());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "ended");
            ExitCode::FAILURE
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made at the start of a process")
        .block_on(future)
}

fn telemetry(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
