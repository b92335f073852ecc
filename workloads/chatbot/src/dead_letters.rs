//! `chatbot dead-letters replay`: puts records that no consumer could handle back among the events.

use chatbot_contract::environment;
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::events::{self, KafkaConfig, KafkaLog};

/// What to do with dead letters.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Appends those since the last replay to the topic of events again, each record once.
    Replay(Config),
}

/// Settings of a replay.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Config {
    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = environment::LOG, default_value = "info")]
    log: String,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Why dead letters were not put back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Kafka failed.
    #[error("the dead letters were not put back; run this again")]
    Kafka(#[from] events::Error),
}

impl Command {
    /// The filter for log lines.
    pub(crate) fn log(&self) -> &str {
        let Self::Replay(config) = self;
        &config.log
    }

    pub(crate) async fn run(self) -> Result<(), ReplayError> {
        let Self::Replay(Config { log: _, kafka }) = self;
        let settings = kafka.settings()?.ok_or_else(|| {
            ConfigError::invalid(
                environment::KAFKA_BOOTSTRAP_SERVERS,
                "it names no server, so there are no dead letters",
            )
        })?;
        let replayed = KafkaLog::new(settings)?.replay_dead_letters().await?;
        tracing::info!(
            back = replayed.back,
            copies = replayed.copies,
            "dead letters were put back; copies of one record were left out"
        );
        Ok(())
    }
}
