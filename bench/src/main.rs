//! Measures a deployment of the real binary on real servers, and writes what it measured.
//!
//! Everything runs as processes on this machine, as in the tests: MySQL, Redis, Kafka, FerretDB and the storage
//! workload. `make bench` builds the binary beside this program, and writes `docs/benchmarks.md`.

mod archive;
mod cores;
mod error;
mod history;
mod load;
mod machine;
mod report;
mod spread;
mod storage;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chatbot_runtime::telemetry;
use clap::{Parser, ValueEnum};

use error::{Error, Result};
use load::Schedule;
use machine::Machine;
use report::Report;

/// Measures how soon a message is archived, and what the cache of recent history saves.
#[derive(Parser)]
#[command(name = "chatbot-bench", version)]
struct Arguments {
    /// Measures one thing alone, for a look; then nothing is written.
    #[arg(long)]
    only: Option<Benchmark>,
    /// Turns that begin in a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long turns count.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long turns begin before those that count.
    #[arg(long, default_value_t = 10)]
    warm_up_seconds: u64,
    /// Messages of a conversation whose history is asked for.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=200))]
    messages: u32,
    /// Turns whose history is asked for, with the cache and without it.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
    /// What a reader must know of the machine.
    #[arg(long)]
    note: Option<String>,
    /// File that the numbers are written to for people.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// File that the numbers are written to for programs.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// How soon a message is archived.
    Archive,
    /// What the cache of recent history saves.
    History,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chatbot-bench: {}", telemetry::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let program = program()?;
    let schedule = Schedule {
        rate: arguments.rate,
        warm_up: Duration::from_secs(arguments.warm_up_seconds),
        counted: Duration::from_secs(arguments.seconds),
    };
    let parameters = history::Parameters {
        messages: arguments.messages,
        turns: arguments.turns,
    };
    let wanted = |what| arguments.only.is_none_or(|only| only == what);
    let mut report = Report {
        machine: Machine::look(arguments.note)?,
        archive: None,
        history: None,
    };
    if wanted(Benchmark::Archive) {
        println!("archive: {schedule}");
        report.archive = Some(archive::measure(&program, schedule).await?);
    }
    if wanted(Benchmark::History) {
        println!("history: {parameters}");
        report.history = Some(history::measure(&program, parameters).await?);
    }
    let text = report.markdown();
    println!("\n{text}");
    if arguments.only.is_some() {
        return Ok(());
    }
    if let Some(file) = arguments.json {
        write(&file, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(file) = arguments.markdown {
        write(&file, text.as_bytes())?;
    }
    Ok(())
}

/// The binary that is measured: the one that was built with this program.
fn program() -> Result<PathBuf> {
    let here = std::env::current_exe().map_err(|error| Error::file("/proc/self/exe", error))?;
    let program = here.with_file_name("chatbot");
    if program.exists() {
        Ok(program)
    } else {
        Err(Error::NoProgram(program))
    }
}

fn write(file: &Path, content: &[u8]) -> Result<()> {
    std::fs::write(file, content).map_err(|error| Error::file(file, error))?;
    println!("wrote {}", file.display());
    Ok(())
}
