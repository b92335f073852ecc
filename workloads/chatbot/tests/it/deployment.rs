//! What the operator makes, as processes on this machine.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use chatbot_contract::environment as env;
use chatbot_contract::identity::{self, KeyRing, SigningKey, SigningKeys};
use chatbot_contract::redis::WORKLOAD_ACCOUNT;
use chatbot_contract::report::{DependencyName, DependencyState, Report};
use chatbot_contract::{MIGRATE, Workload, paths};
use chatbot_testkit::documents::{self, Documents};
use chatbot_testkit::groq::{Groq, Serving};
use chatbot_testkit::kafka::{self, Kafka};
use chatbot_testkit::mysql::Mysql;
use chatbot_testkit::redis::{PASSWORD, Redis};
use chatbot_testkit::smtp;
use tempfile::TempDir;
use uuid::Uuid;

use crate::process::{PAUSE, Process};

/// All workloads, ready.
pub(crate) struct Deployment {
    pub(crate) http: reqwest::Client,
    processes: BTreeMap<Workload, Process>,
    ports: BTreeMap<Workload, (u16, u16)>,
    folder: TempDir,
    mysql: Arc<Mysql>,
    pub(crate) redis: Redis,
    account: String,
    groq: Serving,
    kafka: Option<Arc<Kafka>>,
    documents: Option<Arc<Documents>>,
    /// Port of the SMTP server, which need not be there.
    mail: Option<u16>,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        Self::with(None, None, None).await
    }

    /// One that tells events.
    pub(crate) async fn start_with_kafka(kafka: Arc<Kafka>) -> Self {
        Self::with(Some(kafka), None, None).await
    }

    /// One that archives, with a Kafka or without one.
    pub(crate) async fn start_with_documents(
        kafka: Option<Arc<Kafka>>,
        documents: Arc<Documents>,
    ) -> Self {
        Self::with(kafka, Some(documents), None).await
    }

    /// One that sends mails to an SMTP server at this port.
    pub(crate) async fn start_with_mail(port: u16) -> Self {
        Self::with(None, None, Some(port)).await
    }

    async fn with(
        kafka: Option<Arc<Kafka>>,
        documents: Option<Arc<Documents>>,
        mail: Option<u16>,
    ) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mysql = Mysql::shared().await.unwrap();
        let account = format!("t{}", &Uuid::new_v4().simple().to_string()[..12]);
        let folder = TempDir::new().unwrap();
        write_identity(&folder, &account);
        // It may make schemas whose names begin with its own.
        let statements = [
            format!("CREATE USER '{account}'@'%' IDENTIFIED BY '{account}'"),
            format!("GRANT ALL ON `{account}\\_%`.* TO '{account}'@'%'"),
        ];
        mysql.execute(&statements).await.unwrap();
        let redis = Redis::start().await.unwrap();
        let mut deployment = Self {
            http: reqwest::Client::new(),
            processes: BTreeMap::new(),
            ports: Workload::ALL
                .into_iter()
                .map(|workload| (workload, (free_port(), free_port())))
                .collect(),
            folder,
            mysql,
            redis,
            account,
            groq: Groq::new(Some("key".to_owned())).serve().await.unwrap(),
            kafka,
            documents,
            mail,
        };
        let mut migration = deployment.migrate();
        assert!(migration.ended().await.success(), "{}", migration.errors());
        for workload in Workload::ALL {
            let process = deployment.process(workload.name(), deployment.environment(workload));
            deployment.processes.insert(workload, process);
        }
        for workload in Workload::ALL {
            deployment.wait_until_ready(workload).await;
        }
        deployment
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!(
            "http://127.0.0.1:{}{path}",
            self.ports[&Workload::Gateway].0
        )
    }

    pub(crate) fn admin(&self, workload: Workload, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[&workload].1)
    }

    /// Takes a process out, to do something to it.
    pub(crate) fn take(&mut self, workload: Workload) -> Process {
        self.processes.remove(&workload).unwrap()
    }

    /// Kills a process, starts it again and waits until it is ready.
    pub(crate) async fn crash(&mut self, workload: Workload) {
        self.processes
            .get_mut(&workload)
            .unwrap()
            .kill_and_start_again();
        self.wait_until_ready(workload).await;
    }

    pub(crate) fn migrate(&self) -> Process {
        let account = &self.account;
        let mut environment = self.mysql_environment();
        environment.push((env::MYSQL_USERS_SCHEMA, format!("{account}_users")));
        environment.push((
            env::MYSQL_CONVERSATIONS_SCHEMA,
            format!("{account}_conversations"),
        ));
        self.process(MIGRATE, environment)
    }

    /// Puts dead letters back.
    pub(crate) fn replay(&self) -> Process {
        let mut process = self.kafka_environment();
        process.push((env::LOG, "info".to_owned()));
        self.process_of(&["dead-letters", "replay"], process)
    }

    /// Makes the archive again, or compares it with the database.
    pub(crate) fn documents(&self, command: &str, more: &[&str]) -> Process {
        let mut environment = self.mysql_environment();
        let schema = format!("{}_conversations", self.account);
        environment.push((env::MYSQL_SCHEMA, schema));
        environment.extend(self.documents_environment());
        self.process_of(&[&[command, "documents"], more].concat(), environment)
    }

    /// Starts a workload with one setting changed.
    pub(crate) fn broken(
        &self,
        workload: Workload,
        variable: &'static str,
        value: &str,
    ) -> Process {
        let mut environment = self.environment(workload);
        environment.retain(|(name, _)| ![variable, env::LISTEN, env::ADMIN_LISTEN].contains(name));
        environment.push((variable, value.to_owned()));
        self.process(workload.name(), environment)
    }

    fn process(&self, command: &str, environment: Vec<(&'static str, String)>) -> Process {
        self.process_of(&[command], environment)
    }

    fn process_of(&self, arguments: &[&str], environment: Vec<(&'static str, String)>) -> Process {
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Process::start(
            arguments.iter().map(ToString::to_string).collect(),
            environment,
            self.folder.path().join(format!("{}.log", arguments[0])),
        )
    }

    pub(crate) async fn wait_until_ready(&mut self, workload: Workload) {
        let url = self.admin(workload, paths::READYZ);
        loop {
            if let Ok(answer) = reqwest::get(&url).await
                && answer.status() == 200
            {
                return;
            }
            // One that is waited for may wait for another one, which has ended.
            for (other, process) in &mut self.processes {
                assert!(process.runs(), "{other} has ended: {}", process.errors());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until a workload reports a dependency to be like this.
    pub(crate) async fn wait_until_seen(
        &self,
        workload: Workload,
        name: DependencyName,
        state: DependencyState,
    ) {
        loop {
            let report = self.http.get(self.admin(workload, paths::REPORT));
            let report: Report = report.send().await.unwrap().json().await.unwrap();
            let mut seen = report.dependencies.iter();
            if seen.any(|seen| seen.name == name && seen.state == state) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn environment(&self, workload: Workload) -> Vec<(&'static str, String)> {
        let local = |port: u16| format!("127.0.0.1:{port}");
        let url = |workload| format!("http://{}", local(self.ports[&workload].0));
        let (port, admin) = self.ports[&workload];
        let mut environment = vec![
            (env::LISTEN, local(port)),
            (env::ADMIN_LISTEN, local(admin)),
            (env::DRAIN_SECONDS, "0".to_owned()),
            (env::INTERNAL_KEY_FILE, self.file("internal-key")),
        ];
        if workload != Workload::Storage {
            environment.extend([
                (env::REDIS_HOSTS, self.redis.address()),
                (env::REDIS_USER, WORKLOAD_ACCOUNT.to_owned()),
                (env::REDIS_PASSWORD_FILE, self.file("redis-password")),
            ]);
        }
        match workload {
            Workload::Gateway => environment.extend([
                (env::USER_URL, url(Workload::User)),
                (env::CHAT_URL, url(Workload::Chat)),
                (env::STORAGE_URL, url(Workload::Storage)),
                (env::PUBLIC_URL, "http://chat.example".to_owned()),
            ]),
            Workload::Chat => environment.extend([
                (env::STORAGE_URL, url(Workload::Storage)),
                (env::LLM_PROVIDER, "groq".to_owned()),
                (env::LLM_BASE_URL, self.groq.base_url()),
                (env::LLM_API_KEY_FILE, self.file("password-key")),
                (env::LLM_MODEL, "openai/gpt-oss-20b".to_owned()),
            ]),
            Workload::User => {
                environment.extend(self.mysql_environment());
                environment.extend([
                    (env::MYSQL_SCHEMA, format!("{}_users", self.account)),
                    (env::SIGNING_KEYS_FILE, self.file("signing-keys.json")),
                    (env::PUBLIC_URL, "http://chat.example".to_owned()),
                ]);
                if let Some(port) = self.mail {
                    environment.extend([
                        (env::MAIL_HOST, "127.0.0.1".to_owned()),
                        (env::MAIL_PORT, port.to_string()),
                        (env::MAIL_TLS, "none".to_owned()),
                        (env::MAIL_FROM, "Chat <chat@chat.example>".to_owned()),
                        (env::MAIL_USER, smtp::USER.to_owned()),
                        (env::MAIL_PASSWORD_FILE, self.file("mail-password")),
                    ]);
                }
            }
            Workload::Storage => {
                environment.extend(self.mysql_environment());
                environment.extend([
                    (env::MYSQL_SCHEMA, format!("{}_conversations", self.account)),
                    (env::KEY_RING_FILE, self.file("key-ring.json")),
                    (env::WEBHOOKS_ALLOW_HTTP, "true".to_owned()),
                    (env::WEBHOOKS_ALLOWED_NETWORKS, "127.0.0.0/8".to_owned()),
                ]);
                environment.extend(self.documents_environment());
            }
        }
        if matches!(workload, Workload::Gateway | Workload::Storage) {
            environment.extend(self.kafka_environment());
        }
        environment
    }

    /// What names the Kafka topics of this deployment alone.
    pub(crate) fn topic_prefix(&self) -> &str {
        &self.account
    }

    fn kafka_environment(&self) -> Vec<(&'static str, String)> {
        let Some(kafka) = &self.kafka else {
            return Vec::new();
        };
        vec![
            (env::KAFKA_BOOTSTRAP_SERVERS, kafka.address()),
            (env::KAFKA_USER, kafka::USER.to_owned()),
            (env::KAFKA_PASSWORD_FILE, self.file("kafka-password")),
            (env::KAFKA_TOPIC_PREFIX, self.topic_prefix().to_owned()),
        ]
    }

    fn documents_environment(&self) -> Vec<(&'static str, String)> {
        let Some(documents) = &self.documents else {
            return Vec::new();
        };
        vec![
            (env::DOCUMENTS_HOSTS, documents.address()),
            (env::DOCUMENTS_USER, documents::USER.to_owned()),
            (
                env::DOCUMENTS_PASSWORD_FILE,
                self.file("documents-password"),
            ),
        ]
    }

    fn mysql_environment(&self) -> Vec<(&'static str, String)> {
        vec![
            (env::MYSQL_HOSTS, self.mysql.address()),
            (env::MYSQL_TOPOLOGY, "single".to_owned()),
            (env::MYSQL_USER, self.account.clone()),
            (env::MYSQL_PASSWORD_FILE, self.file("password")),
        ]
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn write_identity(folder: &TempDir, password: &str) {
    let write =
        |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    write("password", password.as_bytes());
    write("password-key", b"key");
    write("redis-password", PASSWORD.as_bytes());
    write("mail-password", smtp::PASSWORD.as_bytes());
    write("kafka-password", kafka::PASSWORD.as_bytes());
    write("documents-password", documents::PASSWORD.as_bytes());
    write("internal-key", identity::secret().as_bytes());
    write(
        "key-ring.json",
        &serde_json::to_vec(&KeyRing::generate()).unwrap(),
    );
    write(
        "signing-keys.json",
        &serde_json::to_vec(&SigningKeys {
            keys: vec![SigningKey::generate(0)],
        })
        .unwrap(),
    );
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
