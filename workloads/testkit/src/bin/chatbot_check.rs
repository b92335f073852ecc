//! The history checker as a program: puts a load of real users on a deployment and checks its promise.

use std::process::ExitCode;
use std::time::Duration;

use chatbot_testkit::history::client::Failure;
use chatbot_testkit::history::load::{self, Options};
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::{read, verify};
use clap::Parser;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Lets users register and talk; then every message that was acknowledged must be readable exactly
/// once, in order. Needs a deployment that answers with echoes (`Echo`, or the stand-in for Groq).
#[derive(Parser)]
#[command(name = "chatbot-check", version)]
struct Arguments {
    /// Public URL of the deployment.
    #[arg(long)]
    url: Url,
    /// Users that talk at the same time.
    #[arg(long, default_value_t = 8)]
    users: usize,
    /// How long they talk.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match check(Arguments::parse()).await {
        Ok(summary) => {
            println!("{summary}");
            if summary.violations.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(failure) => {
            eprintln!("chatbot-check: the deployment cannot be checked: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn check(arguments: Arguments) -> Result<Summary, Failure> {
    let Arguments {
        url,
        users,
        seconds,
    } = arguments;
    let stop = CancellationToken::new();
    let options = Options::new(url, users);
    let running = load::run(&options, stop.clone());
    let timer = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(running, timer);
    let mut ran = ran?;
    let readable = read::everything(&mut ran.clients).await?;
    let violations = verify::verify(&ran.history, &readable);
    Ok(Summary::new(&ran.history, violations))
}
