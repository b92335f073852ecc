//! Owns conversations and messages, encrypted where they are written.
//!
//! [`service::Conversations`] is the domain, [`store::Store`] its port to the database, [`http`] its
//! interface. Order inside a conversation is a `seq` that is given under the lock of the
//! conversation's row; the effect of an idempotency key is in the same transaction as the key, and
//! so is the event that tells of it ([`store::outbox`]), which the [`relay`] hands to Kafka, or to the log of the one process.
//! The [`archive`] follows that log and keeps transcripts in the document store ([`documents`]).
//! [`webhooks`] follows that log, and tells endpoints of users; [`requests`] keeps what was asked for.

pub mod archive;
pub mod cache;
pub mod crypto;
pub mod cursor;
pub mod documents;
pub mod http;
pub mod recent;
pub mod relay;
pub mod requests;
pub mod service;
pub mod store;
mod usage;
pub mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::environment;
use chatbot_contract::events::{Group, Topic};
use chatbot_runtime::auth::{InternalAuth, InternalAuthConfig};
use chatbot_runtime::config::{ConfigError, secret_json};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{Durable, EventLog, InProcessLog, KafkaConfig, KafkaLog};
use chatbot_runtime::health::Gate;
use chatbot_runtime::mysql::{self, Database};
use chatbot_runtime::redis::{self, Redis};
use chatbot_runtime::serve::Service;
use chatbot_runtime::sqlite::Schema;
use futures::future::join;
use sqlx::migrate::Migrator;

use archive::Archive;
use cache::Cache;
use crypto::Ring;
use documents::{Documents, MongoDocuments, Retention, Settings};
use http::AppState;
use relay::Relay;
use requests::Requests;
use service::Conversations;
use store::deliveries::DeliveryStore;
use store::outbox::Outbox;
use store::source::Source;
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

/// The schema of the document store on SQLite, step by step.
pub static SQLITE_DOCUMENTS: Schema = Schema {
    name: "documents",
    migrations: &DOCUMENTS_MIGRATIONS,
};

static DOCUMENTS_MIGRATIONS: Migrator = sqlx::migrate!("migrations/documents");

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
    /// The way to the document store, where there is one.
    #[command(flatten)]
    pub documents: documents::Config,
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
        documents,
        webhooks,
        key_ring_file,
    } = config;
    let auth = InternalAuth::load(&auth, context.workload)?;
    let ring = ring(&key_ring_file)?;
    let database = Database::new(mysql);
    let kafka = kafka.settings()?.map(KafkaLog::new).transpose()?;
    let documents = documents.settings()?;
    let events = if kafka.is_some() || documents.is_some() {
        Events::Written
    } else {
        Events::Left
    };
    let store = MysqlStore::new(database.clone(), events);
    let redis = Redis::new(redis);
    let cache = redis
        .clone()
        .map(|redis| Cache::new(redis, &context.metrics));
    let archive = documents
        .as_ref()
        .map(|settings| archive_of(store.clone(), settings))
        .transpose()?;
    let kept = documents.map(|settings| settings.request_retention);
    let documents = archive.as_ref().map(|archive| archive.documents().clone());
    let parts = Parts {
        store: store.clone(),
        documents: documents.clone(),
        ring,
        cache,
        webhooks,
        log: kafka.clone().map(|kafka| Arc::new(kafka) as _),
        auth,
    };
    let service = wire(parts, context);
    let service = redis::watched(service, redis, &context.health);
    let service = match (kafka, archive) {
        (Some(kafka), archive) => {
            let log = Arc::new(kafka.clone());
            let mut topics = vec![Topic::Events, Topic::DeadLetters];
            let service = match archive.zip(kept) {
                Some((archive, kept)) => {
                    topics.push(Topic::Requests);
                    archiving(service, archive, Some(kept), log, context)
                }
                None => service,
            };
            relaying_to_kafka(service, store, kafka, topics, context)
        }
        // Events have no other reader then: they go from the outbox to the archive in this process.
        (None, Some(archive)) => {
            let log = Arc::new(InProcessLog::default());
            let service = archiving(service, archive, None, log.clone(), context);
            relaying(service, store, log, std::future::ready(()), context)
        }
        (None, None) => service,
    };
    let service = match documents {
        Some(documents) => {
            let health = context.health.clone();
            service.background("document store watch", async move {
                documents.watch(|seen| health.report(seen)).await
            })
        }
        None => service,
    };
    let health = context.health.clone();
    let watching = async move { database.watch(|seen| health.report(seen)).await };
    Ok(service.background("MySQL watch", watching))
}

/// Makes the archive of what is stored, in the document store of these settings.
///
/// # Errors
/// Fails when the settings contradict each other.
pub fn archive_of(
    store: MysqlStore,
    settings: &Settings,
) -> Result<Archive<MysqlStore, MongoDocuments>, ConfigError> {
    let documents = MongoDocuments::new(settings).map_err(|error| {
        let problem = chatbot_runtime::telemetry::chain(&error);
        ConfigError::invalid(environment::DOCUMENTS_HOSTS, problem)
    })?;
    Ok(Archive::new(store, documents, settings.retention))
}

/// What the workload is wired of.
pub struct Parts<S, D> {
    /// Conversations and messages.
    pub store: S,
    /// The document store, where there is one.
    pub documents: Option<D>,
    /// The keys that wrap data keys.
    pub ring: Ring,
    /// Recent history, where there is a Redis.
    pub cache: Option<Cache>,
    /// Where webhooks may be.
    pub webhooks: Rules,
    /// What webhooks are told from, where events are told: nothing may have been appended to a log in this process before.
    pub log: Option<Arc<dyn EventLog>>,
    /// Who may call.
    pub auth: InternalAuth,
}

/// Wires the workload.
pub fn wire<S: Store + DeliveryStore + Clone, D: Documents + Clone>(
    parts: Parts<S, D>,
    context: &Context,
) -> Service {
    let Parts {
        store,
        documents,
        ring,
        cache,
        webhooks,
        log,
        auth,
    } = parts;
    let conversations = Arc::new(Conversations::new(store, ring).caching(cache));
    let gate = context.health.gate("the schema of conversations");
    let sweeping = sweep(Arc::clone(&conversations), gate);
    let state = AppState::new(conversations, webhooks, log.is_some(), auth.clone());
    let webhooks = Arc::clone(&state.webhooks);
    let router = usage::router(documents, auth).merge(http::router(state));
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

/// Adds what archives the events that `log` tells, and the requests, as long as `kept` says, where they are told; it must
/// be there before anything is appended to a log inside this process. Nothing waits for it: while the document store is not
/// there, the log keeps the place.
pub fn archiving<S: Source + Clone, D: Documents + Clone>(
    service: Service,
    archive: Archive<S, D>,
    kept: Option<Retention>,
    log: Arc<dyn EventLog>,
    context: &Context,
) -> Service {
    let archive = archive.measured(&context.metrics);
    let events = Durable::new(Arc::clone(&log), Group::Archive, context);
    let requests = kept.map(|retention| {
        let documents = archive.documents().clone();
        let durable = Durable::new(log, Group::Requests, context);
        durable.run(Requests {
            documents,
            retention,
        })
    });
    let keeping = archive.clone();
    service
        .background("archive", async move {
            archive.prepare().await;
            match requests {
                Some(requests) => drop(join(events.run(archive), requests).await),
                None => events.run(archive).await,
            }
        })
        .background("archive's numbers", async move { keeping.keep().await })
}

fn relaying_to_kafka(
    service: Service,
    store: MysqlStore,
    kafka: KafkaLog,
    topics: Vec<Topic>,
    context: &Context,
) -> Service {
    let (health, watched, made) = (context.health.clone(), kafka.clone(), kafka.clone());
    let topics = async move { made.make_topics(&topics).await };
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
