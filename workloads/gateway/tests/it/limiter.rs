//! What every limiter does: in this process, and at a real Redis.

use std::time::Duration;

use chatbot_contract::redis::WORKLOAD_ACCOUNT;
use chatbot_gateway::limit::local::Local;
use chatbot_gateway::limit::shared::Shared;
use chatbot_gateway::limit::{Ask, Counted, Rule};
use chatbot_runtime::redis::{Config, Redis, Topology};
use chatbot_testkit::redis::{self as testkit, PASSWORD};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

/// Slow enough that a test sees nothing come back.
const SLOW: Rule = Rule {
    name: "slow",
    quota: 1,
    window: Duration::from_secs(3600),
    burst: 3,
};

/// Brings one back every 10 ms.
const FAST: Rule = Rule {
    name: "fast",
    quota: 100,
    window: Duration::from_secs(1),
    burst: 1,
};

/// A limiter, and what it needs to live.
enum Limiter {
    Local(Local),
    Shared(Box<AtRedis>),
}

pub(crate) struct AtRedis {
    pub(crate) redis: Redis,
    pub(crate) server: testkit::Redis,
    shared: Shared,
    _watch: JoinSet<()>,
    _password: NamedTempFile,
}

impl AtRedis {
    pub(crate) async fn start() -> Self {
        let server = testkit::Redis::start().await.unwrap();
        let password = NamedTempFile::new().unwrap();
        std::fs::write(password.path(), PASSWORD).unwrap();
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
        Self {
            shared: Shared::new(redis.clone()),
            redis,
            server,
            _watch: watch,
            _password: password,
        }
    }
}

impl Limiter {
    async fn take(&self, asks: &[Ask]) -> Counted {
        match self {
            Self::Local(local) => local.take(asks),
            Self::Shared(at) => at.shared.take(asks).await.unwrap(),
        }
    }

    async fn charge(&self, ask: &Ask) {
        match self {
            Self::Local(local) => local.charge(ask),
            Self::Shared(at) => at.shared.charge(ask).await.unwrap(),
        }
    }

    async fn refund(&self, ask: &Ask) {
        match self {
            Self::Local(local) => local.refund(ask),
            Self::Shared(at) => at.shared.refund(ask).await.unwrap(),
        }
    }

    async fn granted(&self, ask: &Ask) -> bool {
        self.take(std::slice::from_ref(ask)).await.granted
    }
}

fn ask(rule: Rule, cost: u64) -> Ask {
    Ask {
        rule,
        key: format!("{}:{}", rule.name, Uuid::now_v7()),
        cost,
    }
}

async fn a_burst_is_granted_and_no_more(limiter: &Limiter) {
    let one = ask(SLOW, 1);
    for place in 1..=3_u64 {
        let counted = limiter.take(std::slice::from_ref(&one)).await;
        assert!(counted.granted);
        let standing = SLOW.standing(counted.ahead[0], 1, true);
        assert_eq!(standing.remaining, 3 - place);
    }
    let counted = limiter.take(std::slice::from_ref(&one)).await;
    assert!(!counted.granted);
    let wait = SLOW.standing(counted.ahead[0], 1, false).wait;
    assert!(wait > Duration::from_secs(3590) && wait <= Duration::from_secs(3600));
    assert!(limiter.granted(&ask(SLOW, 3)).await, "another one's count");
}

async fn all_is_taken_or_nothing(limiter: &Limiter) {
    let (some, much) = (ask(SLOW, 1), ask(SLOW, 4));
    assert!(!limiter.take(&[some.clone(), much]).await.granted);
    let all = Ask { cost: 3, ..some };
    assert!(limiter.granted(&all).await, "nothing was taken");
}

async fn what_was_done_counts_and_what_was_not_is_given_back(limiter: &Limiter) {
    let one = ask(SLOW, 1);
    limiter
        .charge(&Ask {
            cost: 10,
            ..one.clone()
        })
        .await;
    assert!(!limiter.granted(&one).await);
    limiter
        .refund(&Ask {
            cost: 8,
            ..one.clone()
        })
        .await;
    assert!(limiter.granted(&one).await);
    assert!(!limiter.granted(&one).await);
    limiter
        .refund(&Ask {
            cost: 100,
            ..one.clone()
        })
        .await;
    let all = Ask { cost: 3, ..one };
    assert!(limiter.granted(&all).await, "and no more than all");
    assert!(!limiter.granted(&Ask { cost: 1, ..all }).await);
}

async fn time_brings_it_back(limiter: &Limiter) {
    let one = ask(FAST, 1);
    assert!(limiter.granted(&one).await);
    let again = async { while !limiter.granted(&one).await {} };
    timeout(Duration::from_secs(5), again).await.unwrap();
}

async fn suite(limiter: &Limiter) {
    a_burst_is_granted_and_no_more(limiter).await;
    all_is_taken_or_nothing(limiter).await;
    what_was_done_counts_and_what_was_not_is_given_back(limiter).await;
    time_brings_it_back(limiter).await;
}

#[tokio::test]
async fn a_process_limits_by_itself() {
    suite(&Limiter::Local(Local::default())).await;
}

#[tokio::test]
async fn all_gateways_limit_together_at_redis() {
    let at = Box::new(AtRedis::start().await);
    suite(&Limiter::Shared(at)).await;
}

#[tokio::test]
async fn of_many_at_once_as_many_as_the_burst_are_granted() {
    let at = AtRedis::start().await;
    let one = ask(SLOW, 1);
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        let (shared, one) = (Shared::new(at.redis.clone()), one.clone());
        asked.spawn(async move { shared.take(&[one]).await.unwrap().granted });
    }
    let granted = asked.join_all().await.into_iter().filter(|yes| *yes);
    assert_eq!(granted.count(), 3);
}
