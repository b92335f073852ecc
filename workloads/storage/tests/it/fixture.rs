//! A storage workload with a schema of its own.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatbot_api::conversations::MessageOut;
use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut};
use chatbot_api::turns::{TurnOut, Usage};
use chatbot_contract::identity::{KeyRing, RingKey};
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::mysql::{self, Database, Topology};
use chatbot_storage::crypto::Ring;
use chatbot_storage::service::{Conversations, Error};
use chatbot_storage::store::{Events, MysqlStore};
use chatbot_testkit::mysql::{Mysql, TestDatabase};
use sqlx::MySqlConnection;
use uuid::Uuid;

/// The workload and what is under it.
pub(crate) struct Fixture {
    pub(crate) all: Arc<Conversations<MysqlStore>>,
    events: Events,
    pub(crate) database: Database,
    pub(crate) user: Uuid,
    test: TestDatabase,
    mysql: Arc<Mysql>,
    _password: tempfile::NamedTempFile,
}

pub(crate) fn ring() -> Ring {
    let key = RingKey {
        id: "1".to_owned(),
        secret: STANDARD.encode([7; 32]),
    };
    Ring::new(KeyRing {
        current: "1".to_owned(),
        keys: vec![key],
    })
    .unwrap()
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text.as_bytes()).unwrap()
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Events::Left).await
    }

    /// One whose store writes events.
    pub(crate) async fn with_events() -> Self {
        Self::with(Events::Written).await
    }

    async fn with(events: Events) -> Self {
        let mysql = Mysql::shared().await.unwrap();
        let test = mysql.database().await.unwrap();
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), &test.password).unwrap();
        let database = Database::new(mysql::Config {
            hosts: vec![test.address.parse().unwrap()],
            topology: Topology::Single,
            user: test.user.clone(),
            password_file: password.path().to_owned(),
            schema: test.schema.clone(),
            deadline: Duration::from_secs(30),
        });
        mysql::migrate(&database, &chatbot_storage::MIGRATIONS)
            .await
            .unwrap();
        let all = Arc::new(Conversations::new(
            MysqlStore::new(database.clone(), events),
            ring(),
        ));
        Self {
            all,
            events,
            database,
            user: Uuid::now_v7(),
            test,
            mysql,
            _password: password,
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> MysqlStore {
        MysqlStore::new(self.database.clone(), self.events)
    }

    /// The same store as another process sees it, without anything in memory.
    pub(crate) fn another_process(&self) -> Conversations<MysqlStore> {
        Conversations::new(self.store(), ring())
    }

    /// An administrator's connection, in the schema.
    pub(crate) async fn sql(&self) -> MySqlConnection {
        let mut connection = self.mysql.admin().await.unwrap();
        let schema = &self.test.schema;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("USE {schema}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }

    pub(crate) async fn begin(
        &self,
        conversation: Option<Uuid>,
        key: &str,
        message: &str,
    ) -> Result<BeginTurnOut, Error> {
        let request = BeginTurnIn {
            conversation_id: conversation,
            message: message.to_owned(),
            history_limit: 100,
        };
        self.all.begin(self.user, &self::key(key), request).await
    }

    pub(crate) async fn answer(
        &self,
        turn: Uuid,
        attempt: u32,
        content: &str,
    ) -> Result<TurnOut, Error> {
        let request = AnswerIn {
            attempt,
            content: content.to_owned(),
            model: "test-model".to_owned(),
            finish_reason: "stop".to_owned(),
            usage: Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 5,
            }),
        };
        self.all.answer(self.user, turn, request).await
    }

    /// All messages of a conversation.
    pub(crate) async fn messages(&self, conversation: Uuid) -> Vec<MessageOut> {
        self.all
            .messages(self.user, conversation, None, Some(200))
            .await
            .unwrap()
            .data
    }
}
