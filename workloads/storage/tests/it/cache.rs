//! The cache of histories at a real Redis: whatever happens to it, a turn gets the history that the
//! database has.

use std::sync::Arc;

use chatbot_contract::Workload;
use chatbot_contract::redis::WORKLOAD_ACCOUNT;
use chatbot_runtime::metrics::Metrics;
use chatbot_runtime::redis::{Config, Redis, Topology};
use chatbot_storage::cache::Cache;
use chatbot_storage::service::{Conversations, Error};
use chatbot_testkit::redis as testkit;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::backend::{Backend, OnSqlite};
use crate::fixture::{Fixture, ring};

/// A workload with a cache.
struct Cached {
    fixture: Fixture<OnSqlite>,
    server: testkit::Redis,
    metrics: Metrics,
    conversation: Uuid,
    _watch: JoinSet<()>,
    _password: NamedTempFile,
}

impl Cached {
    /// Begins a conversation of one turn.
    async fn start() -> Self {
        let server = testkit::Redis::start().await.unwrap();
        let password = NamedTempFile::new().unwrap();
        std::fs::write(password.path(), testkit::PASSWORD).unwrap();
        let redis = Redis::new(Config {
            hosts: vec![server.address().parse().unwrap()],
            topology: Topology::Single,
            user: Some(WORKLOAD_ACCOUNT.to_owned()),
            password_file: Some(password.path().to_owned()),
            tls: false,
            ca_file: None,
        })
        .unwrap();
        let mut watch = JoinSet::new();
        let watching = redis.clone();
        watch.spawn(async move { watching.watch(|_| ()).await });
        redis.connected().await;

        let metrics = Metrics::new(Workload::Storage);
        let mut fixture = Fixture::<OnSqlite>::new().await;
        let conversations = Conversations::new(fixture.backend.store(), ring());
        fixture.all = Arc::new(conversations.caching(Some(Cache::new(redis, &metrics))));
        let begun = fixture.begin(None, "first", "1").await.unwrap();
        fixture.answer(begun.message.turn_id, 1, "2").await.unwrap();
        Self {
            fixture,
            server,
            metrics,
            conversation: begun.message.conversation_id,
            _watch: watch,
            _password: password,
        }
    }

    /// Adds a message and its answer, and sees that the message came with everything before it.
    async fn turn(&self) {
        let before = self.fixture.messages(self.conversation).await;
        let key = format!("turn-{}", before.len());
        let begun = self
            .fixture
            .begin(Some(self.conversation), &key, &key)
            .await
            .unwrap();
        assert_eq!(begun.history, before);
        let turn = begun.message.turn_id;
        self.fixture.answer(turn, 1, "an answer").await.unwrap();
    }

    /// Histories found at Redis, and those read from the database.
    fn reads(&self) -> [u32; 2] {
        let text = self.metrics.text();
        ["Hit", "Miss"].map(|outcome| {
            let label = format!("outcome=\"{outcome}\"");
            let mut lines = text.lines();
            let line = lines.find(|line| {
                line.starts_with("chatbot_history_cache_reads_total") && line.contains(&label)
            });
            line.and_then(|line| line.rsplit(' ').next())
                .map_or(0, |count| count.parse().unwrap())
        })
    }

    async fn at_redis<T: ::redis::FromRedisValue>(&self, command: &str, arguments: &[&str]) -> T {
        let mut admin = self.server.admin().await.unwrap();
        let key = format!("chatbot:history:{}", self.conversation);
        ::redis::cmd(command)
            .arg(key)
            .arg(arguments)
            .query_async(&mut admin)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_history_that_is_remembered_is_not_read_again() {
    let cached = Cached::start().await;
    for _ in 0..3 {
        cached.turn().await;
    }
    assert_eq!(cached.reads(), [4, 0]);
    let life: u64 = cached.at_redis("TTL", &[]).await;
    assert!((3_500..=3_600).contains(&life), "{life}");
    let entries: Vec<Vec<u8>> = cached.at_redis("LRANGE", &["0", "-1"]).await;
    assert_eq!(entries.len(), 8);
    let plain = |entry: &Vec<u8>| entry.windows(9).any(|bytes| bytes == b"an answer");
    assert!(!entries.iter().any(plain), "messages are sealed");
}

#[tokio::test]
async fn what_was_flushed_cut_or_swapped_is_read_from_the_database_and_remembered_again() {
    let cached = Cached::start().await;
    cached.server.flush().await.unwrap();
    cached.turn().await;
    assert_eq!(cached.reads(), [1, 1]);
    cached.turn().await;
    assert_eq!(cached.reads(), [2, 1]);

    let _: String = cached.at_redis("LTRIM", &["1", "-1"]).await;
    cached.turn().await;
    assert_eq!(cached.reads(), [2, 2]);

    let _: String = cached.at_redis("LSET", &["2", "3:nonsense"]).await;
    cached.turn().await;
    cached.turn().await;
    assert_eq!(cached.reads(), [3, 3]);
}

#[tokio::test]
async fn messages_of_a_time_that_was_undone_are_forgotten() {
    let cached = Cached::start().await;
    // The database was restored: at Redis the conversation is longer, with other messages.
    let _: u64 = cached
        .at_redis("RPUSH", &["3:of another time", "4:too"])
        .await;
    cached.turn().await;
    let entries: Vec<Vec<u8>> = cached.at_redis("LRANGE", &["0", "-1"]).await;
    assert!(entries.is_empty());
    cached.turn().await;
    cached.turn().await;
    assert_eq!(cached.reads(), [3, 1]);
}

#[tokio::test]
async fn turns_go_on_when_redis_is_dead() {
    let cached = Cached::start().await;
    cached.server.kill();
    cached.turn().await;
    cached.turn().await;
    assert_eq!(cached.reads(), [1, 2]);
}

#[tokio::test]
async fn a_conversation_that_is_deleted_is_forgotten() {
    let cached = Cached::start().await;
    let Cached {
        fixture,
        conversation,
        ..
    } = &cached;
    fixture
        .all
        .delete(fixture.user, *conversation)
        .await
        .unwrap();
    let there: bool = cached.at_redis("EXISTS", &[]).await;
    assert!(!there);
    let error = fixture.begin(Some(*conversation), "k", "m").await;
    assert!(matches!(error, Err(Error::Store(_))));
}
