//! The stand-in for MongoDB's server as a program: see [`chatbot_testkit::mongod`] for what it keeps to.

use std::path::PathBuf;
use std::process::ExitCode;

use chatbot_testkit::mongod::{Mongod, Options};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Answers as a member of a MongoDB replica set.
#[derive(Parser)]
#[command(name = "mongod-stand-in", version)]
struct Arguments {
    /// The configuration file, as `mongod` takes it.
    #[arg(long)]
    config: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { config } = Arguments::parse();
    match serve(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mongod-stand-in: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &std::path::Path) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Mongod::open(Options::read(config)?)?;
    tokio::select! {
        ended = server.serve() => ended,
        _ = terminate.recv() => Ok(()),
    }
}
