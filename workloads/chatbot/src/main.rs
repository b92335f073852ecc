//! The one binary of the workloads.

mod dead_letters;
mod documents;
mod migrate;
mod requests;
mod runtime;
mod standalone;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match runtime::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chatbot: {}", chatbot_runtime::telemetry::chain(&error));
            ExitCode::from(error.exit_code())
        }
    }
}
