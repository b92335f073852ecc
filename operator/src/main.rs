//! The operator's binary: the operator itself, and the agents that it puts into the engines' pods.

use std::path::PathBuf;
use std::process::ExitCode;

use chatbot_operator::{
    agent, documents, kafka, mysql, outcome, rbac, redis, run, settings::Settings,
};
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
    MysqlAgent(Box<mysql::agent::Settings>),
    /// Be the parent of a Redis server and its Sentinel, in their pod.
    RedisAgent(Box<redis::agent::Settings>),
    /// Be the parent of a Kafka server, in its pod.
    KafkaAgent(Box<kafka::agent::Settings>),
    /// Be the parent of a PostgreSQL server that holds documents, in its pod.
    DocumentsAgent(Box<documents::agent::Settings>),
    /// Be the parent of a MongoDB server, in its pod.
    MongoAgent(Box<documents::mongo::agent::Settings>),
    /// Copy this program into a folder, so that it can run in another image.
    Install {
        /// The folder.
        folder: PathBuf,
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
        Command::MysqlAgent(settings) => {
            telemetry(&settings.log);
            block_on(mysql::agent::run(*settings)).map_err(|error| outcome::chain(&error))
        }
        Command::RedisAgent(settings) => {
            telemetry(&settings.common.log);
            block_on(redis::agent::run(*settings)).map_err(|error| outcome::chain(&error))
        }
        Command::KafkaAgent(settings) => {
            telemetry(&settings.common.log);
            block_on(kafka::agent::run(*settings)).map_err(|error| outcome::chain(&error))
        }
        Command::DocumentsAgent(settings) => {
            telemetry(&settings.common.log);
            block_on(documents::agent::run(*settings)).map_err(|error| outcome::chain(&error))
        }
        Command::MongoAgent(settings) => {
            telemetry(&settings.common.log);
            block_on(documents::mongo::agent::run(*settings))
                .map_err(|error| outcome::chain(&error))
        }
        Command::Install { folder } => {
            telemetry("info");
            agent::install(&folder).map_err(|error| outcome::chain(&error))
        }
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
