//! The way to Redis: what a request meets while Redis comes, goes and fails over.

use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::redis::WORKLOAD_ACCOUNT;
use chatbot_contract::report::{Dependency, DependencyState};
use chatbot_runtime::redis::{Category, Config, Error, Redis, Script, Topology, cmd};
use chatbot_testkit::redis::{self as testkit, PASSWORD, Set};
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Longest a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Watched {
    redis: Redis,
    seen: watch::Receiver<Option<Dependency>>,
    _task: JoinSet<()>,
    password: Arc<NamedTempFile>,
}

fn watched(hosts: &[String], topology: Topology, password: &str) -> Watched {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{password}\n")).unwrap();
    let redis = Redis::new(Config {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        topology,
        user: Some(WORKLOAD_ACCOUNT.to_owned()),
        password_file: Some(file.path().to_owned()),
        tls: false,
        ca_file: None,
    })
    .unwrap();
    let (said, seen) = watch::channel(None);
    let mut task = JoinSet::new();
    let watching = redis.clone();
    task.spawn(async move {
        watching
            .watch(|dependency| {
                said.send_replace(Some(dependency));
            })
            .await;
    });
    Watched {
        redis,
        seen,
        _task: task,
        password: Arc::new(file),
    }
}

impl Watched {
    async fn until(&mut self, state: DependencyState) -> Dependency {
        let wanted = |seen: &Option<Dependency>| seen.as_ref().is_some_and(|s| s.state == state);
        let seen = timeout(PATIENCE, self.seen.wait_for(wanted)).await;
        seen.unwrap_or_else(|_| panic!("Redis is never {state:?}"))
            .unwrap()
            .clone()
            .unwrap()
    }

    async fn set(&self, value: u32) -> Result<(), Error> {
        self.redis
            .query(cmd("SET").arg("chatbot:test").arg(value))
            .await
    }

    async fn get(&self) -> Result<Option<u32>, Error> {
        self.redis.query(cmd("GET").arg("chatbot:test")).await
    }
}

#[test]
fn without_a_host_there_is_no_redis() {
    assert!(Redis::new(Config::default()).is_none());
}

#[tokio::test]
async fn a_dead_redis_costs_a_request_nothing_and_comes_back_by_itself() {
    let server = testkit::Redis::start().await.unwrap();
    let mut watched = watched(&[server.address()], Topology::Single, PASSWORD);
    watched.until(DependencyState::Ok).await;
    watched.set(1).await.unwrap();
    assert_eq!(watched.get().await.unwrap(), Some(1));

    server.kill();
    assert!(watched.get().await.is_err());
    watched.until(DependencyState::Unreachable).await;
    let before = Instant::now();
    for _ in 0..1000 {
        assert!(matches!(watched.get().await, Err(Error::Away)));
    }
    assert!(before.elapsed() < Duration::from_millis(250));

    server.start_again().await.unwrap();
    watched.until(DependencyState::Ok).await;
    assert_eq!(watched.get().await.unwrap(), None);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_one_request_up_and_not_for_long() {
    let server = testkit::Redis::start().await.unwrap();
    let mut watched = watched(&[server.address()], Topology::Single, PASSWORD);
    watched.until(DependencyState::Ok).await;
    server.pause().unwrap();
    let before = Instant::now();
    let error = watched.get().await.unwrap_err();
    assert_eq!(error.category(), Category::Unreachable, "{error}");
    assert!(before.elapsed() < Duration::from_secs(1));
    assert!(matches!(watched.get().await, Err(Error::Away)));
    server.go_on().unwrap();
    watched.until(DependencyState::Ok).await;
    watched.redis.connected().await;
    assert!(watched.get().await.is_ok());
}

#[tokio::test]
async fn a_refused_password_is_told_and_a_corrected_one_is_used() {
    let server = testkit::Redis::start().await.unwrap();
    let mut watched = watched(&[server.address()], Topology::Single, "wrong");
    let refused = watched.until(DependencyState::Refused).await;
    assert!(!refused.message.contains("wrong"), "{}", refused.message);
    std::fs::write(watched.password.path(), PASSWORD).unwrap();
    watched.until(DependencyState::Ok).await;
}

#[tokio::test]
async fn a_key_of_others_is_refused_and_the_connection_stays() {
    let server = testkit::Redis::start().await.unwrap();
    let mut watched = watched(&[server.address()], Topology::Single, PASSWORD);
    watched.until(DependencyState::Ok).await;
    let read = watched
        .redis
        .query::<Option<String>>(cmd("GET").arg("other"))
        .await;
    assert_eq!(read.unwrap_err().category(), Category::Failing);
    assert!(watched.get().await.is_ok());
}

#[tokio::test]
async fn a_server_that_forgot_a_script_is_told_it_again() {
    let server = testkit::Redis::start().await.unwrap();
    let mut watched = watched(&[server.address()], Topology::Single, PASSWORD);
    watched.until(DependencyState::Ok).await;
    let script = Script::new("return 7");
    for _ in 0..2 {
        let answer: u32 = watched
            .redis
            .script(&script.prepare_invoke())
            .await
            .unwrap();
        assert_eq!(answer, 7);
        let mut admin = server.admin().await.unwrap();
        let () = cmd("SCRIPT")
            .arg("FLUSH")
            .query_async(&mut admin)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_client_follows_a_new_primary() {
    let set = Set::start().await.unwrap();
    let mut watched = watched(&set.sentinels(), Topology::Sentinel, PASSWORD);
    let first = watched.until(DependencyState::Ok).await;
    assert!(first.message.contains(&set.servers[0].address()));
    watched.set(1).await.unwrap();
    set.servers[0].kill();
    let moved = |seen: &Option<Dependency>| {
        seen.as_ref()
            .is_some_and(|seen| seen.state == DependencyState::Ok && seen.message != first.message)
    };
    timeout(PATIENCE, watched.seen.wait_for(moved))
        .await
        .unwrap()
        .unwrap();
    watched.set(2).await.unwrap();
    assert_eq!(watched.get().await.unwrap(), Some(2));
}
