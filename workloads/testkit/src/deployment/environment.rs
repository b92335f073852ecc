//! The environment that each process of a deployment gets.

use chatbot_contract::redis::WORKLOAD_ACCOUNT;
use chatbot_contract::{Workload, environment as env};

use super::{Deployment, Model, file};
use crate::{documents, kafka, smtp};

type Environment = Vec<(&'static str, String)>;

impl Deployment {
    pub(super) fn environment(&self, workload: Workload) -> Environment {
        let local = |port: u16| format!("127.0.0.1:{port}");
        let (port, admin) = self.ports[&workload];
        let mut environment = vec![
            (env::LISTEN, local(port)),
            (env::ADMIN_LISTEN, local(admin)),
            (env::DRAIN_SECONDS, "0".to_owned()),
            (env::INTERNAL_KEY_FILE, self.file(file::INTERNAL_KEY)),
        ];
        if workload != Workload::Storage || self.setup.history_cache {
            environment.extend([
                (env::REDIS_HOSTS, self.redis.address()),
                (env::REDIS_USER, WORKLOAD_ACCOUNT.to_owned()),
                (env::REDIS_PASSWORD_FILE, self.file(file::REDIS)),
            ]);
        }
        environment.extend(match workload {
            Workload::Gateway => self.gateway_environment(),
            Workload::Chat => self.chat_environment(),
            Workload::User => self.user_environment(),
            Workload::Storage => self.storage_environment(),
        });
        for (of, name, value) in &self.setup.settings {
            if *of == workload {
                environment.push((name, value.clone()));
            }
        }
        environment
    }

    fn gateway_environment(&self) -> Environment {
        let mut environment = self.kafka_environment();
        environment.extend([
            (env::USER_URL, self.base(Workload::User)),
            (env::CHAT_URL, self.base(Workload::Chat)),
            (env::STORAGE_URL, self.base(Workload::Storage)),
            (env::PUBLIC_URL, "http://chat.example".to_owned()),
            (
                env::LOG_REQUESTS,
                self.setup.documents.is_some().to_string(),
            ),
        ]);
        environment
    }

    fn chat_environment(&self) -> Environment {
        let mut environment = vec![(env::STORAGE_URL, self.base(Workload::Storage))];
        match self.setup.model {
            Model::Groq => environment.extend([
                (env::LLM_PROVIDER, "groq".to_owned()),
                (env::LLM_BASE_URL, self.groq.base_url()),
                (env::LLM_API_KEY_FILE, self.file(file::MODEL_KEY)),
                (env::LLM_MODEL, "openai/gpt-oss-20b".to_owned()),
            ]),
            Model::Echo => environment.push((env::LLM_PROVIDER, "echo".to_owned())),
        }
        environment
    }

    fn user_environment(&self) -> Environment {
        let mut environment = self.mysql_environment();
        environment.extend([
            (env::MYSQL_SCHEMA, self.schema("users")),
            (env::SIGNING_KEYS_FILE, self.file(file::SIGNING_KEYS)),
            (env::PUBLIC_URL, "http://chat.example".to_owned()),
        ]);
        if let Some(port) = self.setup.mail {
            environment.extend([
                (env::MAIL_HOST, "127.0.0.1".to_owned()),
                (env::MAIL_PORT, port.to_string()),
                (env::MAIL_TLS, "none".to_owned()),
                (env::MAIL_FROM, "Chat <chat@chat.example>".to_owned()),
                (env::MAIL_USER, smtp::USER.to_owned()),
                (env::MAIL_PASSWORD_FILE, self.file(file::MAIL)),
            ]);
        }
        environment
    }

    fn storage_environment(&self) -> Environment {
        let mut environment = self.archive_environment();
        environment.extend(self.kafka_environment());
        environment.extend([
            (env::KEY_RING_FILE, self.file(file::KEY_RING)),
            (env::WEBHOOKS_ALLOW_HTTP, "true".to_owned()),
            (env::WEBHOOKS_ALLOWED_NETWORKS, "127.0.0.0/8".to_owned()),
        ]);
        environment
    }

    pub(super) fn migration_environment(&self) -> Environment {
        let mut environment = self.mysql_environment();
        environment.extend([
            (env::MYSQL_USERS_SCHEMA, self.schema("users")),
            (
                env::MYSQL_CONVERSATIONS_SCHEMA,
                self.schema("conversations"),
            ),
        ]);
        environment
    }

    /// Both sides of the archive.
    pub(super) fn archive_environment(&self) -> Environment {
        let mut environment = self.mysql_environment();
        environment.push((env::MYSQL_SCHEMA, self.schema("conversations")));
        if let Some(documents) = &self.setup.documents {
            environment.extend([
                (env::DOCUMENTS_HOSTS, documents.address()),
                (env::DOCUMENTS_USER, documents::USER.to_owned()),
                (env::DOCUMENTS_PASSWORD_FILE, self.file(file::DOCUMENTS)),
            ]);
        }
        environment
    }

    pub(super) fn kafka_environment(&self) -> Environment {
        let Some(kafka) = &self.setup.kafka else {
            return Vec::new();
        };
        vec![
            (env::KAFKA_BOOTSTRAP_SERVERS, kafka.address()),
            (env::KAFKA_USER, kafka::USER.to_owned()),
            (env::KAFKA_PASSWORD_FILE, self.file(file::KAFKA)),
            (env::KAFKA_TOPIC_PREFIX, self.topic_prefix().to_owned()),
        ]
    }

    fn mysql_environment(&self) -> Environment {
        vec![
            (env::MYSQL_HOSTS, self.mysql.address()),
            (env::MYSQL_TOPOLOGY, "single".to_owned()),
            (env::MYSQL_USER, self.account.clone()),
            (env::MYSQL_PASSWORD_FILE, self.file(file::PASSWORD)),
        ]
    }

    fn schema(&self, name: &str) -> String {
        format!("{}_{name}", self.account)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}
