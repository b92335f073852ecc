//! `chatbot rebuild documents` and `chatbot verify documents`: makes the archive again from the database, or
//! compares the two.

use std::cell::Cell;
use std::time::{Duration, Instant};

use chatbot_contract::environment;
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::mysql::{self, Database};
use chatbot_storage::archive::{self, Archive, Rebuilt};
use chatbot_storage::documents::{self, MongoDocuments};
use chatbot_storage::store::{Events, MysqlStore};

/// Time between two words about how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// What to make again.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Rebuild {
    /// Writes every message to the document store, removes what is gone, and computes all numbers. It can be
    /// run at any time, beside the running system.
    Documents(Config),
}

/// What to compare.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Verify {
    /// Compares every message with the document store; ends with 1 when they differ.
    Documents(VerifyConfig),
}

/// The two stores.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Config {
    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = environment::LOG, default_value = "info")]
    log: String,
    #[command(flatten)]
    mysql: mysql::Config,
    #[command(flatten)]
    documents: documents::Config,
}

/// The two stores, and how to compare them.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct VerifyConfig {
    #[command(flatten)]
    config: Config,
    /// Seconds to wait for messages that are on their way.
    #[arg(long, default_value_t = 30)]
    patience_seconds: u64,
}

/// Why the archive is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentsError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One of the stores failed.
    #[error("the work is not done; run this again")]
    Archive(#[from] archive::Error),
    /// They differ.
    #[error(
        "the archive differs from the database in {0} messages or more; `chatbot rebuild documents` makes it again"
    )]
    Different(usize),
}

impl Rebuild {
    /// The filter for log lines.
    pub(crate) fn log(&self) -> &str {
        let Self::Documents(config) = self;
        &config.log
    }

    pub(crate) async fn run(self) -> Result<(), DocumentsError> {
        let Self::Documents(config) = self;
        let archive = config.archive()?;
        let told = Cell::new(Instant::now());
        let progress = |Rebuilt { read, removed }| {
            if told.get().elapsed() >= PROGRESS {
                told.set(Instant::now());
                tracing::info!(read, removed, "the archive is being made again");
            }
        };
        let Rebuilt { read, removed } = archive.rebuild(progress).await?;
        tracing::info!(read, removed, "the archive was made again");
        Ok(())
    }
}

impl Verify {
    /// The filter for log lines.
    pub(crate) fn log(&self) -> &str {
        let Self::Documents(VerifyConfig { config, .. }) = self;
        &config.log
    }

    pub(crate) async fn run(self) -> Result<(), DocumentsError> {
        let Self::Documents(VerifyConfig {
            config,
            patience_seconds,
        }) = self;
        let patience = Duration::from_secs(patience_seconds);
        let verified = config.archive()?.verify(patience).await?;
        for difference in &verified.differences {
            println!("{difference}");
        }
        match verified.differences.len() {
            0 => {
                println!(
                    "all {} messages are archived as they are stored",
                    verified.messages
                );
                Ok(())
            }
            different => Err(DocumentsError::Different(different)),
        }
    }
}

impl Config {
    fn archive(self) -> Result<Archive<MysqlStore, MongoDocuments>, ConfigError> {
        let Self {
            log: _,
            mysql,
            documents,
        } = self;
        let settings = documents.settings()?.ok_or_else(|| {
            ConfigError::invalid(
                environment::DOCUMENTS_HOSTS,
                "it names no server, so there is no archive",
            )
        })?;
        // It only reads.
        let store = MysqlStore::new(Database::new(mysql), Events::Left);
        chatbot_storage::archive_of(store, &settings)
    }
}
