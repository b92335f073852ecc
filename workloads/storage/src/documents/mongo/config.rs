//! Where the document store is and how to log in.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chatbot_contract::{environment, requests};
use chatbot_runtime::config::{ConfigError, secret_text};
use chatbot_runtime::tls::Authority;
use mongodb::options::{ClientOptions, Credential, ServerAddress, Tls, TlsOptions};

use super::Error;
use crate::documents::Retention;

/// How long a server is looked for: what needs it longer is tried again by whoever asked.
const SELECTION: Duration = Duration::from_secs(3);

/// Settings of the connection to the document store; without hosts there is none.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Servers that speak MongoDB's protocol, `host:port` separated by commas; absent: nothing is archived.
    #[arg(long, env = environment::DOCUMENTS_HOSTS)]
    pub documents_hosts: Option<String>,
    /// Name of the replica set that the servers form.
    #[arg(long, env = environment::DOCUMENTS_REPLICA_SET)]
    pub documents_replica_set: Option<String>,
    /// Database.
    #[arg(long, env = environment::DOCUMENTS_DATABASE, default_value = "chatbot")]
    pub documents_database: String,
    /// User.
    #[arg(long, env = environment::DOCUMENTS_USER)]
    pub documents_user: Option<String>,
    /// File with the user's password.
    #[arg(long, env = environment::DOCUMENTS_PASSWORD_FILE)]
    pub documents_password_file: Option<PathBuf>,
    /// Whether to speak TLS.
    #[arg(long, env = environment::DOCUMENTS_TLS, action = clap::ArgAction::Set, default_value_t = false)]
    pub documents_tls: bool,
    /// File with the certificate authorities that certificates are checked with; absent: the system's roots.
    #[arg(long, env = environment::DOCUMENTS_CA_FILE)]
    pub documents_ca_file: Option<PathBuf>,
    /// Days that transcripts are kept; absent: as long as their conversation.
    #[arg(long, env = environment::DOCUMENTS_RETENTION_DAYS)]
    pub documents_retention_days: Option<NonZeroU32>,
    /// Days that requests are kept.
    #[arg(long, env = environment::DOCUMENTS_REQUEST_RETENTION_DAYS, default_value_t = requests::RETENTION_DAYS)]
    pub documents_request_retention_days: NonZeroU32,
}

/// A connection to the document store, complete.
#[derive(Clone)]
pub struct Settings {
    /// Servers, `host:port` separated by commas.
    pub hosts: String,
    /// Name of the replica set that the servers form.
    pub replica_set: Option<String>,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Whom certificates must come from; nothing: those whom the system trusts.
    pub authority: Option<Authority>,
    /// How long transcripts are kept.
    pub retention: Retention,
    /// How long requests are kept.
    pub request_retention: Retention,
}

impl Config {
    /// Checks that what belongs together is there, and reads the password; nothing without hosts.
    ///
    /// # Errors
    /// Fails when there are hosts and no user or password, or a certificate authority that cannot be used.
    pub fn settings(self) -> Result<Option<Settings>, ConfigError> {
        let Self {
            documents_hosts,
            documents_replica_set,
            documents_database,
            documents_user,
            documents_password_file,
            documents_tls,
            documents_ca_file,
            documents_retention_days,
            documents_request_retention_days,
        } = self;
        let Some(hosts) = documents_hosts.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let missing = |variable| {
            let problem = "it is needed where the document store's hosts are given";
            ConfigError::invalid(variable, problem)
        };
        let user = documents_user.ok_or_else(|| missing(environment::DOCUMENTS_USER))?;
        let file =
            documents_password_file.ok_or_else(|| missing(environment::DOCUMENTS_PASSWORD_FILE))?;
        Ok(Some(Settings {
            hosts,
            replica_set: documents_replica_set.filter(|text| !text.is_empty()),
            database: documents_database,
            user,
            password: secret_text(environment::DOCUMENTS_PASSWORD_FILE, &file)?,
            tls: documents_tls,
            authority: Authority::read(
                environment::DOCUMENTS_CA_FILE,
                documents_ca_file.as_deref(),
                documents_tls,
            )?,
            retention: Retention::new(documents_retention_days),
            request_retention: Retention::new(Some(documents_request_retention_days)),
        }))
    }
}

impl Settings {
    /// The options of the driver.
    pub(super) fn client(&self) -> Result<ClientOptions, Error> {
        let hosts = self
            .hosts
            .split(',')
            .map(|host| ServerAddress::parse(host.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        let credential = Credential::builder()
            .username(self.user.clone())
            .password(self.password.clone())
            .source("admin".to_owned())
            .build();
        // The driver would trust the roots it was built with; the system's are the administrator's.
        let tls = self.tls.then(|| {
            let roots = match &self.authority {
                Some(authority) => Some(authority.path().to_owned()),
                None => openssl_probe::probe().cert_file,
            };
            Tls::Enabled(TlsOptions::builder().ca_file_path(roots).build())
        });
        Ok(ClientOptions::builder()
            .app_name("chatbot".to_owned())
            .hosts(hosts)
            .repl_set_name(self.replica_set.clone())
            .credential(credential)
            .tls(tls)
            .server_selection_timeout(SELECTION)
            .connect_timeout(SELECTION)
            .build())
    }
}
