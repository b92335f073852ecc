//! What the operator makes, as processes of the real binary on this machine.

mod environment;
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::identity::{self, KeyRing, SigningKey, SigningKeys};
use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_contract::{MIGRATE, Workload, environment as env, paths};
use tempfile::TempDir;
use uuid::Uuid;

use crate::documents::{self, Documents};
use crate::groq::{Groq, Serving};
use crate::kafka::{self, Kafka};
use crate::mysql::{self, Mysql};
use crate::redis::{self, Redis};
use crate::smtp;

pub use crate::guard::free_port;
pub use process::{Invocation, Process};

/// Nobody tells when a process or a closed port changes: it is looked at again after this time.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Files with secrets, in the folder of a deployment.
mod file {
    pub(super) const PASSWORD: &str = "password";
    pub(super) const MODEL_KEY: &str = "model-key";
    pub(super) const REDIS: &str = "redis-password";
    pub(super) const MAIL: &str = "mail-password";
    pub(super) const KAFKA: &str = "kafka-password";
    pub(super) const DOCUMENTS: &str = "documents-password";
    pub(super) const INTERNAL_KEY: &str = "internal-key";
    pub(super) const KEY_RING: &str = "key-ring.json";
    pub(super) const SIGNING_KEYS: &str = "signing-keys.json";
}

/// Why a deployment does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no MySQL.
    #[error("the deployment has no MySQL")]
    Mysql(#[from] mysql::Error),
    /// MySQL refused to make its account.
    #[error("failed to make the deployment's account at MySQL")]
    Account(#[source] sqlx::Error),
    /// There is no Redis.
    #[error("the deployment has no Redis")]
    Redis(#[from] redis::Error),
    /// Its folder, its model or a process failed.
    #[error("failed to {0}")]
    Run(&'static str, #[source] std::io::Error),
    /// A key could not be written.
    #[error("failed to write the deployment's keys")]
    Keys(#[from] serde_json::Error),
    /// A process ended that should not have.
    #[error("{name} has ended: {log}")]
    Ended {
        /// Which.
        name: &'static str,
        /// What it wrote.
        log: String,
    },
    /// A workload that was taken out is asked for.
    #[error("no process of {0} is there")]
    Taken(Workload),
    /// A workload did not answer.
    #[error("failed to ask a workload for its report")]
    Report(#[from] reqwest::Error),
}

/// What a deployment is made of; the fields of [`Setup::of`] may be replaced.
#[derive(Clone)]
pub struct Setup {
    /// The binary.
    pub program: PathBuf,
    /// Which workloads run.
    pub workloads: Vec<Workload>,
    /// The MySQL; the one that all of this process share where there is none.
    pub mysql: Option<Arc<Mysql>>,
    /// The Kafka, where events are told.
    pub kafka: Option<Arc<Kafka>>,
    /// The document store, where something is archived.
    pub documents: Option<Arc<Documents>>,
    /// Port of the SMTP server, which need not be there.
    pub mail: Option<u16>,
    /// Who answers.
    pub model: Model,
    /// Whether storage remembers recent history at Redis.
    pub history_cache: bool,
    /// More settings of a workload.
    pub settings: Vec<(Workload, &'static str, String)>,
}

/// Who answers people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The stand-in for Groq, over HTTP.
    Groq,
    /// The chat workload itself.
    Echo,
}

impl Setup {
    /// All workloads with a MySQL, a Redis and the stand-in for Groq, and nothing else.
    #[must_use]
    pub fn of(program: PathBuf) -> Self {
        Self {
            program,
            workloads: Workload::ALL.to_vec(),
            mysql: None,
            kafka: None,
            documents: None,
            mail: None,
            model: Model::Groq,
            history_cache: false,
            settings: Vec::new(),
        }
    }
}

/// Workloads that are ready. They are killed when the value is dropped.
pub struct Deployment {
    /// Asks it.
    pub http: reqwest::Client,
    /// Its Redis.
    pub redis: Redis,
    setup: Setup,
    processes: BTreeMap<Workload, Process>,
    /// Of the interface, and of probes, metrics and report.
    ports: BTreeMap<Workload, (u16, u16)>,
    folder: TempDir,
    mysql: Arc<Mysql>,
    account: String,
    groq: Serving,
}

impl Deployment {
    /// Starts what `setup` names, on schemas of its own, and waits until it is ready.
    ///
    /// # Errors
    /// Fails when a server or a workload does not start.
    pub async fn start(setup: Setup) -> Result<Self, Error> {
        // Another one of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mysql = match &setup.mysql {
            Some(mysql) => Arc::clone(mysql),
            None => Mysql::shared().await?,
        };
        let account = format!("t{}", &Uuid::new_v4().simple().to_string()[..12]);
        let files = |source| Error::Run("make the deployment's folder", source);
        let folder = TempDir::new().map_err(files)?;
        write_identity(folder.path(), &account)?;
        // It may make schemas whose names begin with its own.
        let statements = [
            format!("CREATE USER '{account}'@'%' IDENTIFIED BY '{account}'"),
            format!("GRANT ALL ON `{account}\\_%`.* TO '{account}'@'%'"),
        ];
        mysql.execute(&statements).await.map_err(Error::Account)?;
        let redis = Redis::start().await?;
        let mut ports = BTreeMap::new();
        for workload in Workload::ALL {
            let free = || free_port().map_err(|source| Error::Run("find a free port", source));
            ports.insert(workload, (free()?, free()?));
        }
        let groq = Groq::new(Some("key".to_owned()));
        let groq = groq.serve().await;
        let mut deployment = Self {
            http: reqwest::Client::new(),
            redis,
            setup,
            processes: BTreeMap::new(),
            ports,
            folder,
            mysql,
            account,
            groq: groq.map_err(|source| Error::Run("serve the stand-in for Groq", source))?,
        };
        let mut migration = deployment.migrate()?;
        let ended = migration.ended().await;
        if !ended.is_ok_and(|status| status.success()) {
            let log = migration.errors();
            return Err(Error::Ended { name: MIGRATE, log });
        }
        for workload in deployment.setup.workloads.clone() {
            let process = deployment.process(workload.name(), deployment.environment(workload))?;
            deployment.processes.insert(workload, process);
        }
        for workload in deployment.setup.workloads.clone() {
            deployment.wait_until_ready(workload).await?;
        }
        Ok(deployment)
    }

    /// The URL of a path of the public interface.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base(Workload::Gateway))
    }

    /// The URL of a workload's interface, without a path.
    #[must_use]
    pub fn base(&self, workload: Workload) -> String {
        format!("http://127.0.0.1:{}", self.ports[&workload].0)
    }

    /// The URL of a path for probes, metrics and report.
    #[must_use]
    pub fn admin(&self, workload: Workload, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[&workload].1)
    }

    /// What names the Kafka topics of this deployment alone.
    #[must_use]
    pub fn topic_prefix(&self) -> &str {
        &self.account
    }

    /// Its account at MySQL.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The file with the key that signs calls between its workloads.
    #[must_use]
    pub fn internal_key_file(&self) -> PathBuf {
        self.folder.path().join(file::INTERNAL_KEY)
    }

    /// Takes a process out, to do something to it.
    ///
    /// # Errors
    /// Fails when it was taken before.
    pub fn take(&mut self, workload: Workload) -> Result<Process, Error> {
        self.processes
            .remove(&workload)
            .ok_or(Error::Taken(workload))
    }

    /// Kills a process, starts it again and waits until it is ready.
    ///
    /// # Errors
    /// Fails when it does not start, or another one ends meanwhile.
    pub async fn crash(&mut self, workload: Workload) -> Result<(), Error> {
        let process = self.processes.get_mut(&workload);
        let process = process.ok_or(Error::Taken(workload))?;
        process
            .kill_and_start_again()
            .map_err(|source| Error::Run("start a process again", source))?;
        self.wait_until_ready(workload).await
    }

    /// Starts a migration of its schemas.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub fn migrate(&self) -> Result<Process, Error> {
        self.process(MIGRATE, self.migration_environment())
    }

    /// Starts what puts dead letters back.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub fn replay(&self) -> Result<Process, Error> {
        let mut environment = self.kafka_environment();
        environment.push((env::LOG, "info".to_owned()));
        self.process_of(&["dead-letters", "replay"], environment)
    }

    /// Starts what makes the archive again, or compares it with the database.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub fn documents(&self, command: &str, more: &[&str]) -> Result<Process, Error> {
        let environment = self.archive_environment();
        self.process_of(&[&[command, "documents"], more].concat(), environment)
    }

    /// Starts a workload with one setting changed.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub fn broken(
        &self,
        workload: Workload,
        variable: &'static str,
        value: &str,
    ) -> Result<Process, Error> {
        let mut environment = self.environment(workload);
        environment.retain(|(name, _)| ![variable, env::LISTEN, env::ADMIN_LISTEN].contains(name));
        environment.push((variable, value.to_owned()));
        self.process(workload.name(), environment)
    }

    fn process(
        &self,
        command: &str,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Process, Error> {
        self.process_of(&[command], environment)
    }

    fn process_of(
        &self,
        arguments: &[&str],
        environment: Vec<(&'static str, String)>,
    ) -> Result<Process, Error> {
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Process::start(Invocation {
            program: self.setup.program.clone(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment,
            log: self.folder.path().join(format!("{}.log", arguments[0])),
        })
        .map_err(|source| Error::Run("run the binary", source))
    }

    /// Waits until a workload wants requests.
    ///
    /// # Errors
    /// Fails when a process ends meanwhile.
    pub async fn wait_until_ready(&mut self, workload: Workload) -> Result<(), Error> {
        let url = self.admin(workload, paths::READYZ);
        loop {
            if let Ok(answer) = self.http.get(&url).send().await
                && answer.status() == 200
            {
                return Ok(());
            }
            // One that is waited for may wait for another one, which has ended.
            for (other, process) in &mut self.processes {
                if !process.runs() {
                    return Err(Error::Ended {
                        name: other.name(),
                        log: process.errors(),
                    });
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until a workload reports a dependency to be like this.
    ///
    /// # Errors
    /// Fails when it does not answer.
    pub async fn wait_until_seen(
        &self,
        workload: Workload,
        name: DependencyName,
        state: DependencyState,
    ) -> Result<(), Error> {
        loop {
            let report = self.http.get(self.admin(workload, paths::REPORT));
            let report: Report = report.send().await?.json().await?;
            let mut seen = report.dependencies.iter();
            if seen.any(|seen| seen.name == name && seen.state == state) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn write_identity(folder: &Path, password: &str) -> Result<(), Error> {
    let ring = serde_json::to_vec(&KeyRing::generate())?;
    let signing = serde_json::to_vec(&SigningKeys {
        keys: vec![SigningKey::generate(0)],
    })?;
    let internal = identity::secret();
    for (name, content) in [
        (file::PASSWORD, password.as_bytes()),
        (file::MODEL_KEY, b"key"),
        (file::REDIS, redis::PASSWORD.as_bytes()),
        (file::MAIL, smtp::PASSWORD.as_bytes()),
        (file::KAFKA, kafka::PASSWORD.as_bytes()),
        (file::DOCUMENTS, documents::PASSWORD.as_bytes()),
        (file::INTERNAL_KEY, internal.as_bytes()),
        (file::KEY_RING, &ring),
        (file::SIGNING_KEYS, &signing),
    ] {
        std::fs::write(folder.join(name), content)
            .map_err(|source| Error::Run("write the deployment's secrets", source))?;
    }
    Ok(())
}
