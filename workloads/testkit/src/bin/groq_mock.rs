//! The stand-in for Groq as a program: see [`chatbot_testkit::groq`] for what it can be asked to do.

use std::net::SocketAddr;
use std::process::ExitCode;

use chatbot_testkit::groq::Groq;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Serves the part of Groq's API that a chat needs, and every failure it documents.
#[derive(Parser)]
#[command(name = "groq-mock", version)]
struct Options {
    /// Address to listen on.
    #[arg(long, env = "GROQ_MOCK_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The only key that is accepted; any without it.
    #[arg(long, env = "GROQ_MOCK_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Options { listen, api_key } = Options::parse();
    match serve(listen, Groq::new(api_key.filter(|key| !key.is_empty()))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("groq-mock: failed to serve on {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: SocketAddr, groq: Groq) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    println!("groq-mock listens on {}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, groq.router()) => served,
        // Running streams are cut: a stand-in owes nobody an answer.
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
