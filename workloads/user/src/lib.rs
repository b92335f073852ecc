//! Owns accounts: registration, passwords, tokens, signing keys.
//!
//! [`accounts::Accounts`] is the domain, [`store::AccountStore`] its port to the database, [`http`]
//! its interface. Access tokens are signed here and checked elsewhere, by the key set of [`keys`].

pub mod accounts;
pub mod email;
pub mod error;
pub mod http;
pub mod keys;
pub mod mail;
pub mod password;
pub mod session;
pub mod store;
pub mod token;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::environment;
use chatbot_runtime::auth::{InternalAuth, InternalAuthConfig};
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::context::Context;
use chatbot_runtime::health::Gate;
use chatbot_runtime::mysql::{self, Database};
use chatbot_runtime::redis::{self, Redis};
use chatbot_runtime::revocations::Revocations;
use chatbot_runtime::serve::Service;
use chatbot_runtime::sqlite::Schema;
use chatbot_runtime::telemetry;
use sqlx::migrate::Migrator;

use accounts::{Accounts, Lives};
use http::AppState;
use keys::KeyFile;
use mail::delivery::Delivery;
use password::Passwords;
use store::{MysqlStore, Store};

/// The schema on MySQL, step by step.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The schema on SQLite, step by step.
pub static SQLITE: Schema = Schema {
    name: "users",
    migrations: &SQLITE_MIGRATIONS,
};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Time between two removals of what has expired.
const PRUNE: Duration = Duration::from_secs(600);

/// Time between two attempts while the schema is not there.
const AGAIN: Duration = Duration::from_secs(1);

/// Settings of the user workload.
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
    /// What makes the accounts those of this system.
    #[command(flatten)]
    pub identity: Identity,
    /// Rules of accounts and sessions.
    #[command(flatten)]
    pub rules: Rules,
    /// The way to the SMTP server, where there is one.
    #[command(flatten)]
    pub mail: mail::Config,
}

/// What makes the accounts those of one system.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Identity {
    /// File with the keys that sign access tokens; it is read again when it changes.
    #[arg(long, env = environment::SIGNING_KEYS_FILE)]
    pub signing_keys_file: PathBuf,
    /// URL under which users reach the system: the `iss` of access tokens.
    #[arg(long, env = environment::PUBLIC_URL)]
    pub public_url: String,
}

/// Rules of accounts and sessions.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Rules {
    /// Who may make an account.
    #[arg(long, env = environment::REGISTRATION, value_enum, default_value_t = Registration::Open)]
    pub registration: Registration,
    /// Life of an access token, in seconds.
    #[arg(long, env = environment::ACCESS_TOKEN_TTL_SECONDS, default_value_t = 900)]
    pub access_token_ttl_seconds: u32,
    /// Life of a refresh token, in seconds.
    #[arg(long, env = environment::REFRESH_TOKEN_TTL_SECONDS, default_value_t = 30 * 24 * 3600)]
    pub refresh_token_ttl_seconds: u32,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Nobody.
    Closed,
}

/// Wires the workload.
///
/// # Errors
/// Fails when a setting cannot be used.
pub fn service(config: Config, context: &Context) -> Result<Service, ConfigError> {
    let Config {
        auth,
        mysql,
        redis,
        identity,
        rules,
        mail,
    } = config;
    let mail = mail.settings()?;
    let auth = InternalAuth::load(&auth, context.workload)?;
    let database = Database::new(mysql);
    let store = MysqlStore::new(database.clone());
    let redis = Redis::new(redis);
    let revocations = Revocations::new(redis.clone());
    let service = wire(store, revocations, identity, rules, mail, auth, context)?;
    let health = context.health.clone();
    let watching = async move { database.watch(|seen| health.report(seen)).await };
    let service = service.background("MySQL watch", watching);
    Ok(redis::watched(service, redis, &context.health))
}

/// Wires the workload with a store of the caller's, and the place where it leaves that sessions ended.
///
/// # Errors
/// Fails when a setting cannot be used.
pub fn wire<S: Store + Clone>(
    store: S,
    revocations: Revocations,
    identity: Identity,
    rules: Rules,
    mail: Option<mail::Settings>,
    auth: InternalAuth,
    context: &Context,
) -> Result<Service, ConfigError> {
    let Identity {
        signing_keys_file,
        public_url,
    } = identity;
    let Rules {
        registration,
        access_token_ttl_seconds,
        refresh_token_ttl_seconds,
    } = rules;
    let lives = Lives {
        access: positive(
            environment::ACCESS_TOKEN_TTL_SECONDS,
            access_token_ttl_seconds,
        )?,
        refresh: positive(
            environment::REFRESH_TOKEN_TTL_SECONDS,
            refresh_token_ttl_seconds,
        )?,
    };
    let keys = KeyFile::open(signing_keys_file)?;
    let issuer = public_url.trim_end_matches('/').to_owned();
    let delivery = match mail {
        Some(settings) => {
            let delivery = Delivery::new(Arc::new(store.clone()), settings, &issuer, context);
            Some(Arc::new(delivery.map_err(|error| {
                ConfigError::invalid(environment::MAIL_TLS, telemetry::chain(&error))
            })?))
        }
        None => None,
    };
    let accounts = Arc::new(Accounts {
        store,
        passwords: Passwords::new(),
        keys: keys.current(),
        issuer,
        registration,
        lives,
        revocations,
        mails: delivery.is_some(),
    });

    let gate = context.health.gate("the schema of accounts");
    let pruning = prune(Arc::clone(&accounts), gate);
    let service = Service::new(http::router(AppState { accounts, auth }))
        .background("prune", pruning)
        .background("signing keys", keys.follow());
    Ok(match delivery {
        Some(delivery) => {
            let watching = Arc::clone(&delivery);
            service
                .background("mails", async move { delivery.run().await })
                .background("mail server watch", async move { watching.watch().await })
        }
        None => service,
    })
}

fn positive(variable: &'static str, seconds: u32) -> Result<Duration, ConfigError> {
    if seconds == 0 {
        return Err(ConfigError::invalid(variable, "it must be at least 1"));
    }
    Ok(Duration::from_secs(seconds.into()))
}

/// Removes what has expired, from time to time; the first time that works, the schema is there.
async fn prune<S: Store>(accounts: Arc<Accounts<S>>, gate: Gate) {
    loop {
        let pause = match accounts.prune().await {
            Ok(()) => {
                gate.open();
                PRUNE
            }
            Err(error) => {
                tracing::warn!(
                    error = telemetry::chain(&error),
                    "removing what has expired failed"
                );
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}
