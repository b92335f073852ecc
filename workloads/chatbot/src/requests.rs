//! `chatbot requests`: prints what was noted of requests.

use chatbot_contract::environment;
use chatbot_runtime::config::ConfigError;
use chatbot_storage::documents::{self, Documents as _, MongoDocuments};
use jiff::{SignedDuration, Timestamp};

/// Which requests.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Config {
    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = environment::LOG, default_value = "info")]
    pub(crate) log: String,
    #[command(flatten)]
    documents: documents::Config,
    /// The first time, such as 2026-01-31T12:00:00Z; an hour ago when absent.
    #[arg(long)]
    from: Option<Timestamp>,
    /// Most requests that are printed.
    #[arg(long, default_value_t = 1_000)]
    limit: u32,
}

/// Why requests were not printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestsError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The document store failed.
    #[error("the requests were not read; run this again")]
    Documents(#[from] documents::Error),
}

/// Prints each request as a line of JSON, the oldest first.
pub(crate) async fn run(config: Config) -> Result<(), RequestsError> {
    let settings = config.documents.settings()?.ok_or_else(|| {
        ConfigError::invalid(
            environment::DOCUMENTS_HOSTS,
            "it names no server, so no request is kept",
        )
    })?;
    let hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let from = config.from.unwrap_or(hour_ago);
    let documents = MongoDocuments::new(&settings)?;
    for request in documents.requests(from, config.limit).await? {
        let line = serde_json::to_string(&request).expect("a request is JSON");
        println!("{line}");
    }
    Ok(())
}
