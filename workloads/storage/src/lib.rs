//! Owns conversations and messages, encrypted where they are written.
//!
//! [`service::Conversations`] is the domain, [`store::Store`] its port to the database, [`http`] its
//! interface. Order inside a conversation is a `seq` that is given under the lock of the
//! conversation's row; the effect of an idempotency key is in the same transaction as the key, and
//! so is the event that tells of it ([`store::outbox`]), which the [`relay`] hands to Kafka.

pub mod crypto;
pub mod cursor;
pub mod http;
pub mod relay;
pub mod service;
pub mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::environment;
use chatbot_runtime::auth::{InternalAuth, InternalAuthConfig};
use chatbot_runtime::config::{ConfigError, secret_json};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{KafkaConfig, KafkaLog};
use chatbot_runtime::health::Gate;
use chatbot_runtime::mysql::{self, Database};
use chatbot_runtime::serve::Service;
use sqlx::migrate::Migrator;

use crypto::Ring;
use http::AppState;
use relay::Relay;
use service::Conversations;
use store::{Events, MysqlStore, Store};

/// The schema, step by step.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// Time between two sweeps of what deletions that were cut off have left.
const SWEEP: Duration = Duration::from_secs(600);

/// Time between two attempts while the schema is not there.
const AGAIN: Duration = Duration::from_secs(1);

/// Settings of the storage workload.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The key of calls between workloads.
    #[command(flatten)]
    pub auth: InternalAuthConfig,
    /// The way to MySQL.
    #[command(flatten)]
    pub mysql: mysql::Config,
    /// The way to Kafka, where there is one.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// File with the key ring that wraps data keys.
    #[arg(long, env = environment::KEY_RING_FILE)]
    pub key_ring_file: PathBuf,
}

/// Wires the workload.
///
/// # Errors
/// Fails when a key cannot be read.
pub fn service(config: Config, context: &Context) -> Result<Service, ConfigError> {
    let Config {
        auth,
        mysql,
        kafka,
        key_ring_file,
    } = config;
    let auth = InternalAuth::load(&auth, context.workload)?;
    let ring = Ring::new(secret_json(environment::KEY_RING_FILE, &key_ring_file)?)
        .map_err(|error| ConfigError::invalid(environment::KEY_RING_FILE, error.to_string()))?;
    let database = Database::new(mysql);
    let kafka = kafka.settings()?.map(KafkaLog::new).transpose()?;
    let events = if kafka.is_some() {
        Events::Written
    } else {
        Events::Left
    };
    let store = MysqlStore::new(database.clone(), events);
    let conversations = Arc::new(Conversations::new(store.clone(), ring));

    let health = context.health.clone();
    let gate = health.gate("MySQL with its schema");
    let watching = async move { database.watch(|seen| health.report(seen)).await };
    let sweeping = sweep(Arc::clone(&conversations), gate);
    let router = http::router(AppState {
        conversations,
        auth,
    });
    let service = Service::new(router)
        .background("MySQL watch", watching)
        .background("sweep", sweeping);
    Ok(match kafka {
        Some(kafka) => relaying(service, store, kafka, context),
        None => service,
    })
}

/// Adds what hands events to Kafka. Nothing waits for it: without Kafka the outbox grows.
fn relaying(service: Service, store: MysqlStore, kafka: KafkaLog, context: &Context) -> Service {
    let relay = Arc::new(Relay::new(
        Arc::new(store),
        Arc::new(kafka.clone()),
        &context.metrics,
    ));
    let measuring = Arc::clone(&relay);
    let (health, watched) = (context.health.clone(), kafka.clone());
    let shutdown = context.shutdown.clone();
    service
        .background("Kafka watch", async move {
            watched.watch(|seen| health.report(seen)).await;
        })
        .background("outbox numbers", async move { measuring.measure().await })
        .background("relay", async move {
            kafka.make_topics().await;
            relay.run(&shutdown).await;
        })
}

/// Ends deletions that were cut off, from time to time; the first time that works, the schema is there.
async fn sweep<S: Store>(conversations: Arc<Conversations<S>>, gate: Gate) {
    loop {
        let pause = match conversations.store().sweep().await {
            Ok(ended) => {
                gate.open();
                if ended > 0 {
                    tracing::info!(ended, "deletions that were cut off have ended");
                }
                SWEEP
            }
            Err(error) => {
                tracing::warn!(
                    error = chatbot_runtime::telemetry::chain(&error),
                    "the sweep failed"
                );
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        _config: super::Config,
    }

    #[test]
    fn the_settings_are_arguments_without_contradiction() {
        Program::command().debug_assert();
    }
}
