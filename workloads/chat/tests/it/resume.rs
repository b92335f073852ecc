//! Going on with an answer, and stopping it, at the replica that makes it and at another one.

use std::time::Duration;

use chatbot_api::error::ErrorCode;
use chatbot_api::turns::{CANCELLED, ChatIn, EventId, TurnEvent, TurnOut};
use chatbot_chat::log::{Event, Events};
use chatbot_chat::model::OpenAi;
use chatbot_chat::tail::Tail;
use chatbot_chat::turns::Turns;
use chatbot_contract::redis::WORKLOAD_ACCOUNT;
use chatbot_runtime::auth::Caller;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::redis::{Config, Redis, Topology};
use chatbot_runtime::request_id::RequestId;
use chatbot_testkit::redis::{self as testkit, PASSWORD, Set};
use futures::StreamExt as _;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{Fixture, Memory, caller};

/// Long enough to be followed, stopped and disturbed.
const SLOW: &str = "one two three four five six seven eight nine ten [[mock: delay_ms=100]]";

struct AtRedis<T> {
    server: T,
    redis: Redis,
    _watch: JoinSet<()>,
    _password: NamedTempFile,
}

impl AtRedis<testkit::Redis> {
    async fn start() -> Self {
        let server = testkit::Redis::start().await.unwrap();
        let address = server.address();
        Self::connected(server, &[address], Topology::Single).await
    }
}

impl AtRedis<Set> {
    async fn start_set() -> Self {
        let set = Set::start().await.unwrap();
        let sentinels = set.sentinels();
        Self::connected(set, &sentinels, Topology::Sentinel).await
    }
}

impl<T> AtRedis<T> {
    async fn connected(server: T, hosts: &[String], topology: Topology) -> Self {
        let password = NamedTempFile::new().unwrap();
        std::fs::write(password.path(), PASSWORD).unwrap();
        let redis = Redis::new(Config {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            topology,
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
        Self {
            server,
            redis,
            _watch: watch,
            _password: password,
        }
    }

    fn tail(&self) -> Tail {
        Tail::new(self.redis.clone(), &[1; 32])
    }
}

type Replica = Turns<OpenAi, Memory>;

async fn begin(replica: &Replica, key: &str, message: &str) -> Events {
    let request = ChatIn {
        conversation_id: None,
        message: message.to_owned(),
        model: None,
        stream: true,
    };
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    replica.start(caller(), key, request).await.unwrap()
}

/// Reads until there is a piece of the answer; gives the turn, the last event's id, and the pieces.
async fn first_piece(events: &mut Events) -> (Uuid, EventId, String) {
    let mut turn = None;
    while let Some(Event { id, event }) = events.next().await {
        match event {
            TurnEvent::Accepted { message } => turn = Some(message.turn_id),
            TurnEvent::Delta { content } => return (turn.unwrap(), id.unwrap(), content),
            other => panic!("{other:?}"),
        }
    }
    panic!("no piece came")
}

/// The pieces that still come, and the end; ids must go up by one.
async fn rest(
    mut events: Events,
    mut last: Option<EventId>,
) -> (String, Result<TurnOut, ApiError>) {
    let mut text = String::new();
    while let Some(Event { id, event }) = events.next().await {
        if let (Some(last), Some(id)) = (last, id)
            && last.attempt == id.attempt
        {
            assert_eq!(id.place, last.place + 1);
        }
        last = id.or(last);
        match event {
            TurnEvent::Accepted { .. } => text.clear(),
            TurnEvent::Delta { content } => text.push_str(&content),
            TurnEvent::Restarted {} => panic!("only the gateway says so"),
            TurnEvent::Done { turn } => return (text, Ok(*turn)),
            TurnEvent::Error { error } => return (text, Err(error.into())),
        }
    }
    panic!("the events ended without a last one")
}

fn stranger() -> Caller {
    Caller {
        user: Uuid::now_v7(),
        request_id: RequestId::new(),
    }
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_came_after_what_it_saw() {
    let fixture = Fixture::new().await;
    let mut events = begin(&fixture.turns, "k", SLOW).await;
    let (turn, last, first) = first_piece(&mut events).await;
    drop(events);
    let again = fixture.turns.resume(caller(), turn, Some(last)).await;
    let (text, end) = rest(again.unwrap(), Some(last)).await;
    assert_eq!(first + &text, end.unwrap().answer.content);
}

#[tokio::test]
async fn another_replica_goes_on_with_an_answer() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start().await;
    let (one, other) = (
        fixture.replica(Some(at.tail())),
        fixture.replica(Some(at.tail())),
    );
    let mut events = begin(&one, "k", SLOW).await;
    let (turn, last, first) = first_piece(&mut events).await;
    let again = other.resume(caller(), turn, Some(last)).await.unwrap();
    let (text, end) = rest(again, Some(last)).await;
    assert!(text.contains("two"), "pieces came, not the end alone");
    assert_eq!(first + &text, end.unwrap().answer.content);
    let from_the_start = other.resume(caller(), turn, None).await.unwrap();
    assert!(rest(from_the_start, None).await.1.is_ok());
}

#[tokio::test]
async fn a_redis_that_was_emptied_is_filled_again() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start().await;
    let (one, other) = (
        fixture.replica(Some(at.tail())),
        fixture.replica(Some(at.tail())),
    );
    let mut events = begin(&one, "k", SLOW).await;
    let (turn, last, first) = first_piece(&mut events).await;
    let mut again = other.resume(caller(), turn, Some(last)).await.unwrap();
    let second = again.next().await.unwrap();
    let TurnEvent::Delta { content } = second.event else {
        panic!("{second:?}")
    };
    at.server.flush().await.unwrap();
    let (text, end) = rest(again, second.id).await;
    assert_eq!(first + &content + &text, end.unwrap().answer.content);
}

#[tokio::test]
async fn a_stream_is_followed_over_a_failover_of_redis() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start_set().await;
    let (one, other) = (
        fixture.replica(Some(at.tail())),
        fixture.replica(Some(at.tail())),
    );
    // Longer than the Sentinels need to find a new primary.
    let message = "slowly [[mock: delay_ms=100 words=120]]";
    let mut events = begin(&one, "k", message).await;
    let (turn, last, first) = first_piece(&mut events).await;
    let mut again = other.resume(caller(), turn, Some(last)).await.unwrap();
    let second = again.next().await.unwrap();
    let TurnEvent::Delta { content } = second.event else {
        panic!("{second:?}")
    };
    at.server.servers[0].kill();
    let (text, end) = rest(again, second.id).await;
    let done = end.unwrap();
    assert_eq!(first + &content + &text, done.answer.content);
    assert_eq!(rest(events, Some(last)).await.1.unwrap(), done);
}

#[tokio::test]
async fn an_answer_goes_on_when_redis_dies_and_comes_whole_to_the_others() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start().await;
    let (one, other) = (
        fixture.replica(Some(at.tail())),
        fixture.replica(Some(at.tail())),
    );
    let mut events = begin(&one, "k", SLOW).await;
    let (turn, last, first) = first_piece(&mut events).await;
    let again = other.resume(caller(), turn, Some(last)).await.unwrap();
    at.server.kill();
    let (mine, theirs) = tokio::join!(rest(events, Some(last)), rest(again, Some(last)));
    let done = mine.1.unwrap();
    assert_eq!(first + &mine.0, done.answer.content);
    assert_eq!(theirs.1.unwrap(), done);
}

#[tokio::test]
async fn without_redis_another_replica_waits_for_the_stored_answer() {
    let fixture = Fixture::new().await;
    let other = fixture.replica(None);
    let mut events = begin(&fixture.turns, "k", SLOW).await;
    let (turn, last, _) = first_piece(&mut events).await;
    let again = other.resume(caller(), turn, Some(last)).await.unwrap();
    let (text, end) = rest(again, Some(last)).await;
    assert_eq!(text, "");
    assert!(end.unwrap().answer.content.starts_with("You said: one"));
}

#[tokio::test]
async fn a_turn_of_someone_else_does_not_exist() {
    let fixture = Fixture::new().await;
    let other = fixture.replica(None);
    let mut events = begin(&fixture.turns, "k", SLOW).await;
    let (turn, ..) = first_piece(&mut events).await;
    for replica in [&fixture.turns, &other] {
        let resumed = replica.resume(stranger(), turn, None).await;
        assert_eq!(resumed.err().unwrap().code, ErrorCode::NotFound);
        let cancelled = replica.cancel(stranger(), turn).await;
        assert_eq!(cancelled.unwrap_err().code, ErrorCode::NotFound);
    }
    assert!(rest(events, None).await.1.is_ok());
}

#[tokio::test]
async fn a_stopped_answer_is_stored_as_far_as_it_came() {
    let fixture = Fixture::new().await;
    let mut events = begin(&fixture.turns, "k", SLOW).await;
    let (turn, last, first) = first_piece(&mut events).await;
    fixture.turns.cancel(caller(), turn).await.unwrap();
    let (text, end) = rest(events, Some(last)).await;
    let done = end.unwrap();
    assert_eq!(done.finish_reason, CANCELLED);
    assert_eq!(done.answer.content, first + &text);
    assert!(!done.answer.content.contains("ten"));
    // Stopping what has ended changes nothing.
    fixture.turns.cancel(caller(), turn).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_stopped_at_any_replica() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start().await;
    let (one, other) = (
        fixture.replica(Some(at.tail())),
        fixture.replica(Some(at.tail())),
    );
    let mut events = begin(&one, "k", SLOW).await;
    let (turn, last, _) = first_piece(&mut events).await;
    other.cancel(caller(), turn).await.unwrap();
    let (_, end) = rest(events, Some(last)).await;
    let done = end.unwrap();
    assert_eq!(done.finish_reason, CANCELLED);
    assert!(!done.answer.content.contains("ten"));
}

#[tokio::test]
async fn a_replica_that_cannot_tell_the_one_that_answers_says_so() {
    let fixture = Fixture::new().await;
    let other = fixture.replica(None);
    let mut events = begin(&fixture.turns, "k", SLOW).await;
    let (turn, ..) = first_piece(&mut events).await;
    let error = other.cancel(caller(), turn).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(rest(events, None).await.1.is_ok());
}

#[tokio::test]
async fn an_answer_that_nobody_makes_is_told_to_be_interrupted() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start().await;
    let turn = fixture.turn("hello [[mock: error_at=1]]").await;
    assert!(turn.end.is_err());
    let turn = fixture.memory.with(|kept| kept.messages[0].turn_id);
    let other = fixture.replica(Some(at.tail()));
    let resumed = other.resume(caller(), turn, None).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(20), rest(resumed, None));
    let error = seen.await.unwrap().1.unwrap_err();
    assert_eq!(error.code, ErrorCode::Interrupted);
}

#[tokio::test]
async fn a_newer_attempt_takes_the_place_of_an_older_one() {
    let fixture = Fixture::new().await;
    let at = AtRedis::start().await;
    let replicas = [(); 3].map(|()| fixture.replica(Some(at.tail())));
    let mut older = begin(&replicas[0], "k", SLOW).await;
    let (turn, last, _) = first_piece(&mut older).await;
    let again = replicas[2]
        .resume(caller(), turn, Some(last))
        .await
        .unwrap();
    let newer = begin(&replicas[1], "k", SLOW).await;
    let (seen, newer, older) = tokio::join!(
        rest(again, Some(last)),
        rest(newer, None),
        rest(older, Some(last))
    );
    let done = newer.1.unwrap();
    assert_eq!(older.1.unwrap_err().code, ErrorCode::Superseded);
    assert_eq!((seen.0, seen.1.unwrap()), (newer.0, done));
}
