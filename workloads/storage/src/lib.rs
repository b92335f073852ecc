//! Owns conversations and messages, encrypted where they are written.
//!
//! [`service::Conversations`] is the domain, [`store::Store`] its port to the database, [`http`] its
//! interface. Order inside a conversation is a `seq` that is given under the lock of the
//! conversation's row; the effect of an idempotency key is in the same transaction as the key, and
//! so is the event that tells of it ([`store::outbox`]), which the [`relay`] hands to Kafka, or to the log of the one process.
//! [`webhooks`] follows that log, and tells endpoints of users.

pub mod cache;
pub mod crypto;
pub mod cursor;
pub mod http;
pub mod recent;
pub mod relay;
pub mod service;
pub mod store;
pub mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::environment;
use chatbot_contract::events::Group;
use chatbot_runtime::auth::{InternalAuth, InternalAuthConfig};
use chatbot_runtime::config::{ConfigError, secret_json};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{Durable, EventLog, KafkaConfig, KafkaLog};
use chatbot_runtime::health::Gate;
use chatbot_runtime::mysql::{self, Database};
use chatbot_runtime::redis::{self, Redis};
use chatbot_runtime::serve::Service;
use chatbot_runtime::sqlite::Schema;
use sqlx::migrate::Migrator;

use cache::Cache;
use crypto::Ring;
use http::AppState;
use relay::Relay;
use service::Conversations;
use store::deliveries::DeliveryStore;
use store::outbox::Outbox;
use store::{Events, MysqlStore, Store};
use webhooks::Webhooks;
use webhooks::address::Rules;
use webhooks::consumer::Consumer;
use webhooks::sender::Sender;

/// The schema on MySQL, step by step.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The schema on SQLite, step by step.
pub static SQLITE: Schema = Schema {
    name: "conversations",
    migrations: &SQLITE_MIGRATIONS,
};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

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
    /// The way to Redis.
    #[command(flatten)]
    pub redis: redis::Config,
    /// The way to Kafka, where there is one.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Where webhooks may be.
    #[command(flatten)]
    pub webhooks: Rules,
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
        redis,
        kafka,
        webhooks,
        key_ring_file,
    } = config;
    let auth = InternalAuth::load(&auth, context.workload)?;
    let ring = ring(&key_ring_file)?;
    let database = Database::new(mysql);
    let kafka = kafka.settings()?.map(KafkaLog::new).transpose()?;
    let events = if kafka.is_some() {
        Events::Written
    } else {
        Events::Left
    };
    let store = MysqlStore::new(database.clone(), events);
    let redis = Redis::new(redis);
    let cache = redis
        .clone()
        .map(|redis| Cache::new(redis, &context.metrics));
    let log = kafka.clone().map(|kafka| Arc::new(kafka) as _);
    let service = wire(store.clone(), ring, cache, webhooks, log, auth, context);
    let service = redis::watched(service, redis, &context.health);
    let service = match kafka {
        Some(kafka) => relaying_to_kafka(service, store, kafka, context),
        None => service,
    };
    let health = context.health.clone();
    let watching = async move { database.watch(|seen| health.report(seen)).await };
    Ok(service.background("MySQL watch", watching))
}

/// Wires the workload with a store of the caller's, a cache where there is one, and a log of events where there is one:
/// nothing may have been appended to a log in this process before.
pub fn wire<S: Store + DeliveryStore + Clone>(
    store: S,
    ring: Ring,
    cache: Option<Cache>,
    rules: Rules,
    log: Option<Arc<dyn EventLog>>,
    auth: InternalAuth,
    context: &Context,
) -> Service {
    let conversations = Arc::new(Conversations::new(store, ring).caching(cache));
    let gate = context.health.gate("the schema of conversations");
    let sweeping = sweep(Arc::clone(&conversations), gate);
    let state = AppState::new(conversations, rules, log.is_some(), auth);
    let webhooks = Arc::clone(&state.webhooks);
    let router = http::router(state);
    let service = Service::new(router).background("sweep", sweeping);
    match log {
        Some(log) => telling_webhooks(service, webhooks, log, context),
        None => service,
    }
}

/// Adds what tells webhooks of the events of `log`.
fn telling_webhooks<S: Store + DeliveryStore>(
    service: Service,
    webhooks: Arc<Webhooks<S>>,
    log: Arc<dyn EventLog>,
    context: &Context,
) -> Service {
    let consumer = Durable::new(log, Group::Webhooks, context);
    let sender = Sender::new(Arc::clone(&webhooks), context);
    let (sweeper, shutdown) = (sender.clone(), context.shutdown.clone());
    service
        .background("events for webhooks", consumer.run(Consumer(webhooks)))
        .background("webhooks", async move { sender.run(&shutdown).await })
        .background(
            "old messages to webhooks",
            async move { sweeper.sweep().await },
        )
}

/// Adds what hands the events of `outbox` to `log`, once `prepared` has ended. Nothing waits for it:
/// while the log takes none, the outbox grows.
pub fn relaying<O: Outbox>(
    service: Service,
    outbox: O,
    log: Arc<dyn EventLog>,
    prepared: impl Future<Output = ()> + Send + 'static,
    context: &Context,
) -> Service {
    let relay = Arc::new(Relay::new(Arc::new(outbox), log, &context.metrics));
    let measuring = Arc::clone(&relay);
    let shutdown = context.shutdown.clone();
    service
        .background("outbox numbers", async move { measuring.measure().await })
        .background("relay", async move {
            prepared.await;
            relay.run(&shutdown).await;
        })
}

fn relaying_to_kafka(
    service: Service,
    store: MysqlStore,
    kafka: KafkaLog,
    context: &Context,
) -> Service {
    let (health, watched, made) = (context.health.clone(), kafka.clone(), kafka.clone());
    let topics = async move { made.make_topics().await };
    relaying(service, store, Arc::new(kafka), topics, context)
        .background("Kafka watch", async move {
            watched.watch(|seen| health.report(seen)).await
        })
}

/// Reads the key ring.
///
/// # Errors
/// Fails when the file cannot be read or holds none.
pub fn ring(file: &Path) -> Result<Ring, ConfigError> {
    Ring::new(secret_json(environment::KEY_RING_FILE, file)?)
        .map_err(|error| ConfigError::invalid(environment::KEY_RING_FILE, error.to_string()))
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
