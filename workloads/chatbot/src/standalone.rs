//! `chatbot standalone`: the whole product in one process, on one SQLite file, without any server.
//!
//! The workloads are the same libraries as elsewhere. They call each other without sockets: the same
//! signed request goes to the other's routes ([`Client::within`]), and only the gateway has a port.
//! Events go from the outbox to a log in memory: whoever could be told of them is in this process.

mod data;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatbot_chat::model::ApiKey;
use chatbot_chat::{Llm, Provider};
use chatbot_contract::{Workload, environment, requests};
use chatbot_gateway::{Callees, Door, limit};
use chatbot_runtime::auth::InternalAuth;
use chatbot_runtime::client::Client;
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::context::Context;
use chatbot_runtime::events::InProcessLog;
use chatbot_runtime::revocations::Revocations;
use chatbot_runtime::serve::{self, Listeners, Service};
use chatbot_runtime::sqlite::Database;
use chatbot_runtime::telemetry;
use chatbot_storage::archive::Archive;
use chatbot_storage::documents::Retention;
use chatbot_storage::webhooks::address::Rules as WebhookRules;
use chatbot_user::{Identity, Rules, mail};

use crate::runtime::{RunError, listen, stop};
use data::DataFolder;

pub(crate) use data::DataError;

/// Settings of the whole product in one process.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Config {
    /// Folder with the data and its keys; it is made where it is missing.
    #[arg(long, env = environment::DATA_DIR, default_value = "chatbot-data")]
    data_dir: PathBuf,
    /// Address of the page and the interface.
    #[arg(long, env = environment::LISTEN, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of probes, metrics and report; without it there are none.
    #[arg(long, env = environment::ADMIN_LISTEN)]
    admin_listen: Option<SocketAddr>,
    /// URL under which users reach the system; the address when absent.
    #[arg(long, env = environment::PUBLIC_URL)]
    public_url: Option<String>,
    /// Origins of web pages elsewhere that may call the interface; `*` for all.
    #[arg(long, env = environment::CORS_ORIGINS, value_delimiter = ',')]
    cors_origins: Vec<String>,
    /// Whether every request comes through a proxy that sets `X-Forwarded-For` itself.
    #[arg(long, env = environment::TRUST_FORWARDED_FOR, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    trust_forwarded_for: bool,
    /// The limits of users.
    #[command(flatten)]
    limits: limit::Config,
    /// API key of Groq. Without a key and without another provider, answers are echoes.
    #[arg(long, env = environment::GROQ_API_KEY, hide_env_values = true)]
    groq_api_key: Option<String>,
    /// The model.
    #[command(flatten)]
    llm: Llm,
    /// Rules of accounts and sessions.
    #[command(flatten)]
    rules: Rules,
    /// The way to an SMTP server.
    #[command(flatten)]
    mail: mail::Config,
    /// Where webhooks may be.
    #[command(flatten)]
    webhooks: WebhookRules,
    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = environment::LOG, default_value = "warn")]
    log: String,
}

/// Runs until Ctrl-C or SIGTERM; what still runs then may end.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    telemetry::init(&config.log)?;
    let folder = DataFolder::open(&config.data_dir)?;
    let interface = listen(config.listen, environment::LISTEN).await?;
    let admin = match config.admin_listen {
        Some(address) => Some(listen(address, environment::ADMIN_LISTEN).await?),
        None => None,
    };
    let stop = stop()?;
    let schemas = [
        chatbot_user::SQLITE,
        chatbot_storage::SQLITE,
        chatbot_storage::SQLITE_DOCUMENTS,
    ];
    let database = Database::open(&folder.database(), &schemas).await?;

    let address = interface.local_addr().unwrap_or(config.listen);
    let url = config.public_url.clone();
    let url = url.unwrap_or_else(|| format!("http://{address}"));
    let llm = with_default_provider(config.llm.clone(), config.groq_api_key.as_deref());
    let answers = match llm.provider() {
        Provider::Echo => "answers are echoes: set GROQ_API_KEY for those of a model",
        Provider::Groq => "answers come from Groq",
        Provider::OpenAiCompatible => "answers come from the model API that is set",
    };
    // One context: readiness, metrics and the end are those of the one process.
    let context = Context::new(Workload::Gateway);
    let service = wire(&config, llm, &url, &folder, &database, &context)?;
    let listeners = Listeners { interface, admin };
    println!("chatbot is at {url}");
    println!("  data in {}; {answers}", folder.path().display());
    // Nobody else must learn of the end first, so it begins at once.
    serve::run(listeners, service, context, Duration::ZERO, stop).await?;
    database.close().await;
    Ok(())
}

/// A key means Groq; nothing means echoes.
fn with_default_provider(mut llm: Llm, groq_api_key: Option<&str>) -> Llm {
    let key = groq_api_key.map(str::trim).filter(|key| !key.is_empty());
    llm.api_key = key.map(|key| ApiKey::Text(key.into()));
    let has_key = llm.api_key.is_some() || llm.api_key_file.is_some();
    let default = if has_key {
        Provider::Groq
    } else {
        Provider::Echo
    };
    llm.provider.get_or_insert(default);
    llm
}

fn wire(
    config: &Config,
    llm: Llm,
    public_url: &str,
    folder: &DataFolder,
    database: &Database,
    context: &Context,
) -> Result<Service, ConfigError> {
    // It signs calls inside this process only: nothing that is kept needs it.
    let key = rand::random();
    let auth = |workload| InternalAuth::new(key, workload);
    let callee = |service: &Service, callee, caller| {
        Client::within(service.interface(context), callee, auth(caller))
    };

    let log = Arc::new(InProcessLog::default());
    let store = chatbot_storage::store::SqliteStore::new(database.clone());
    let ring = chatbot_storage::ring(&folder.key_ring())?;
    let documents = chatbot_storage::documents::SqliteDocuments::new(database.clone());
    let archive = Archive::new(store.clone(), documents.clone(), Retention::default());
    let parts = chatbot_storage::Parts {
        store: store.clone(),
        documents: Some(documents),
        ring,
        cache: None,
        webhooks: config.webhooks.clone(),
        log: Some(log.clone()),
        auth: auth(Workload::Storage),
    };
    let storage = chatbot_storage::wire(parts, context);
    let beginning = archive.clone();
    let kept = Some(Retention::new(Some(requests::RETENTION_DAYS)));
    let storage = chatbot_storage::archiving(storage, archive, kept, log.clone(), context);
    let storage = storage.background("archive's beginning", async move {
        if let Err(error) = beginning.begin().await {
            tracing::warn!(
                error = telemetry::chain(&error),
                "earlier conversations are not archived; the next start tries again"
            );
        }
        std::future::pending().await
    });
    // The log needs no preparation.
    let prepared = std::future::ready(());
    let storage = chatbot_storage::relaying(storage, store, log.clone(), prepared, context);

    let store = chatbot_user::store::SqliteStore::new(database.clone());
    let identity = Identity {
        signing_keys_file: folder.signing_keys(),
        public_url: public_url.to_owned(),
    };
    let (rules, revocations) = (config.rules.clone(), Revocations::new(None));
    let auth_of_user = auth(Workload::User);
    let mail = config.mail.clone().settings()?;
    let user = chatbot_user::wire(
        store,
        revocations,
        identity,
        rules,
        mail,
        auth_of_user,
        context,
    )?;

    let to_storage = callee(&storage, Workload::Storage, Workload::Chat);
    let chat = chatbot_chat::wire(llm, to_storage, None, auth(Workload::Chat), context)?;

    let callees = Callees {
        user: callee(&user, Workload::User, Workload::Gateway),
        chat: callee(&chat, Workload::Chat, Workload::Gateway),
        storage: callee(&storage, Workload::Storage, Workload::Gateway),
    };
    let door = Door {
        public_url: public_url.to_owned(),
        cors_origins: config.cors_origins.clone(),
        trust_forwarded_for: config.trust_forwarded_for,
        log_requests: true,
        limits: config.limits.clone(),
    };
    let gateway = chatbot_gateway::wire(callees, door, None, Some(log), context)?;
    Ok(gateway.beside(user).beside(chat).beside(storage))
}

#[cfg(test)]
mod tests {
    use chatbot_chat::{Llm, Provider};

    use super::with_default_provider;

    #[test]
    fn a_key_means_groq_and_nothing_means_echoes() {
        let provider = |llm: Llm, key| with_default_provider(llm, key).provider();
        assert_eq!(provider(Llm::default(), None), Provider::Echo);
        assert_eq!(provider(Llm::default(), Some(" ")), Provider::Echo);
        assert_eq!(provider(Llm::default(), Some("k")), Provider::Groq);
        let file = Llm {
            api_key_file: Some("/k".into()),
            ..Llm::default()
        };
        assert_eq!(provider(file, None), Provider::Groq);
        let said = Llm {
            provider: Some(Provider::Echo),
            ..Llm::default()
        };
        assert_eq!(provider(said, Some("k")), Provider::Echo);
    }
}
