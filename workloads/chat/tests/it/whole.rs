//! A turn through the real storage workload on a real MySQL.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatbot_api::error::ErrorCode;
use chatbot_api::turns::{ChatIn, TurnOut};
use chatbot_chat::metrics::Metrics;
use chatbot_chat::model::OpenAi;
use chatbot_chat::turns::Turns;
use chatbot_contract::Workload;
use chatbot_contract::identity::{KeyRing, RingKey};
use chatbot_runtime::auth::{Caller, InternalAuth};
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::context::Context;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::mysql::{self, Database, Topology};
use chatbot_runtime::request_id::RequestId;
use chatbot_storage::crypto::Ring;
use chatbot_storage::http::{AppState, router};
use chatbot_storage::service::Conversations;
use chatbot_storage::store::{Events, MysqlStore};
use chatbot_storage::webhooks::address::Rules;
use chatbot_testkit::groq::{Groq, Serving};
use chatbot_testkit::mysql::Mysql;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{collect, config, install_tls};

struct Whole {
    turns: Turns<OpenAi, Client>,
    user: Uuid,
    _groq: Serving,
    _mysql: Arc<Mysql>,
    _password: tempfile::NamedTempFile,
    _servers: JoinSet<()>,
}

impl Whole {
    async fn new() -> Self {
        install_tls();
        let mysql = Mysql::shared().await.unwrap();
        let test = mysql.database().await.unwrap();
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), &test.password).unwrap();
        let database = Database::new(mysql::Config {
            hosts: vec![test.address.parse().unwrap()],
            topology: Topology::Single,
            user: test.user,
            password_file: password.path().to_owned(),
            tls: mysql::Tls::Unverified,
            ca_file: None,
            schema: test.schema,
            deadline: Duration::from_secs(30),
        });
        mysql::migrate(&database, &chatbot_storage::MIGRATIONS)
            .await
            .unwrap();
        let key = RingKey {
            id: "1".to_owned(),
            secret: STANDARD.encode([7; 32]),
        };
        let ring = Ring::new(KeyRing {
            current: "1".to_owned(),
            keys: vec![key],
        })
        .unwrap();
        let conversations = Arc::new(Conversations::new(
            MysqlStore::new(database, Events::Left),
            ring,
        ));
        let auth = InternalAuth::new([1; 32], Workload::Storage);
        let storage = router(AppState::new(conversations, Rules::default(), false, auth));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let mut servers = JoinSet::new();
        servers.spawn(async move { axum::serve(listener, storage).await.unwrap() });

        let groq = Groq::default().serve().await.unwrap();
        let model = OpenAi::new(config(&groq.base_url(), None)).unwrap();
        let auth = InternalAuth::new([1; 32], Workload::Chat);
        let storage = Client::new(client::http(), Workload::Storage, url, auth);
        let context = Context::new(Workload::Chat);
        let metrics = Metrics::new(&context.metrics);
        let turns = Turns::new(model, storage, None, metrics, context.shutdown, None);
        let user = Uuid::now_v7();
        Self {
            turns,
            user,
            _groq: groq,
            _mysql: mysql,
            _password: password,
            _servers: servers,
        }
    }

    async fn turn(
        &self,
        key: &str,
        conversation_id: Option<Uuid>,
        message: &str,
    ) -> Result<TurnOut, ApiError> {
        let caller = Caller {
            user: self.user,
            request_id: RequestId::new(),
        };
        let request = ChatIn {
            conversation_id,
            message: message.to_owned(),
            model: None,
            stream: false,
        };
        let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
        collect(self.turns.start(caller, key, request).await)
            .await
            .end
    }
}

#[tokio::test]
async fn a_conversation_goes_on_over_turns() {
    let whole = Whole::new().await;
    let first = whole.turn("k1", None, "one").await.unwrap();
    let second = whole
        .turn("k2", Some(first.message.conversation_id), "two")
        .await
        .unwrap();
    assert_eq!((second.message.seq, second.answer.seq), (3, 4));
    assert_eq!(second.answer.content, "You said: two");
    assert_eq!(
        whole
            .turn("k2", Some(first.message.conversation_id), "two")
            .await
            .unwrap(),
        second
    );
}

#[tokio::test]
async fn what_storage_refuses_is_what_the_user_is_told() {
    let whole = Whole::new().await;
    let missing = whole
        .turn("k", Some(Uuid::now_v7()), "one")
        .await
        .unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
    whole.turn("k", None, "one").await.unwrap();
    let reused = whole.turn("k", None, "two").await.unwrap_err();
    assert_eq!(reused.code, ErrorCode::IdempotencyKeyReused);
    let long = whole
        .turn("long", None, &"x".repeat(32_001))
        .await
        .unwrap_err();
    assert_eq!(
        (long.code, long.param.as_deref()),
        (ErrorCode::TooLarge, Some("message"))
    );
}

#[tokio::test]
async fn of_two_attempts_at_once_the_older_one_is_superseded() {
    let whole = Whole::new().await;
    let message = "x [[mock: delay_ms=100]]";
    let (one, other) = tokio::join!(
        whole.turn("k", None, message),
        whole.turn("k", None, message)
    );
    let (done, refused) = if one.is_ok() {
        (one, other)
    } else {
        (other, one)
    };
    let done = done.unwrap();
    assert_eq!(refused.unwrap_err().code, ErrorCode::Superseded);
    assert_eq!(whole.turn("k", None, message).await.unwrap(), done);
}
