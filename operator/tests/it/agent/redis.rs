//! The Redis agent: made of empty volumes, handed over, failed over, and never led by an empty member.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use chatbot_contract::{identity, ports, redis as contract};
use chatbot_operator::agent::Told as _;
use chatbot_operator::redis::facts::MemberFacts;
use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisError, cmd};

use super::ground::{Ground, TOKEN};

const ROOT: &str = "CHATBOT_TEST_REDIS_ROOT";
const PASSWORD: &str = "0123456789abcdef";
/// A server that answers at all does so within this time.
const LIMIT: Duration = Duration::from_secs(2);

struct Members(Ground);

impl Deref for Members {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.0
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Ground {
        &mut self.0
    }
}

impl Members {
    /// Starts three agents on empty volumes, and waits until all are in step; the first is primary.
    async fn start() -> Self {
        let mut values = vec![(identity::REDIS_AGENT_TOKEN.to_owned(), TOKEN)];
        let passwords = contract::ACCOUNTS.map(identity::redis_password);
        values.extend(passwords.map(|key| (key, PASSWORD)));
        let mut members = Self(Ground::new(ROOT, &values));
        for member in 0..3 {
            members.start_member(member);
        }
        members.whole().await;
        assert_eq!(members.primary().await, Some(0));
        members
    }

    fn start_member(&mut self, member: usize) {
        let (own, all) = (self.address(member).to_string(), self.addresses());
        let arguments = ["--member", &own, "--members", &all, "--memory", "100000000"];
        self.0.start(member, "redis-agent", &arguments);
    }

    async fn facts(&self, member: usize) -> Option<MemberFacts> {
        self.0.facts(member, ports::REDIS_AGENT).await
    }

    /// The member that calls itself primary and that its own Sentinel names.
    async fn primary(&self) -> Option<usize> {
        for member in 0..3 {
            let facts = self.facts(member).await;
            if facts.is_some_and(|facts| facts.is_primary() && facts.watched == facts.address) {
                return Some(member);
            }
        }
        None
    }

    /// Waits until one is primary, the others follow it, and all Sentinels name it.
    async fn whole(&self) {
        self.until("all members are in step", async || {
            let mut named = Vec::new();
            let mut primaries = 0;
            for member in 0..3 {
                match self.facts(member).await {
                    Some(facts) if facts.in_step() && facts.seeded => {
                        primaries += usize::from(facts.is_primary());
                        named.push(facts.watched);
                    }
                    _ => return false,
                }
            }
            primaries == 1 && named[0].is_some() && named.iter().all(|name| *name == named[0])
        })
        .await;
    }

    /// Waits for a primary other than this one.
    async fn other_primary(&self, than: usize) -> usize {
        self.until("another is primary", async || {
            self.primary().await.is_some_and(|new| new != than)
        })
        .await;
        self.primary().await.unwrap()
    }

    async fn set(&self, member: usize, account: &str, value: &str) -> Result<(), RedisError> {
        let key = format!("{}key", contract::KEY_PREFIX);
        self.ask(member, account, cmd("SET").arg(key).arg(value))
            .await
    }

    async fn get(&self, member: usize) -> Option<String> {
        let key = format!("{}key", contract::KEY_PREFIX);
        self.ask(member, contract::WORKLOAD_ACCOUNT, cmd("GET").arg(key))
            .await
            .unwrap()
    }

    async fn ask<T: redis::FromRedisValue>(
        &self,
        member: usize,
        account: &str,
        asked: &redis::Cmd,
    ) -> Result<T, RedisError> {
        let login = RedisConnectionInfo::default()
            .set_username(account)
            .set_password(PASSWORD);
        let info = ConnectionAddr::Tcp(self.address(member).to_string(), ports::REDIS)
            .into_connection_info()?
            .set_redis_settings(login);
        let limits = redis::AsyncConnectionConfig::new().set_response_timeout(Some(LIMIT));
        let mut connection = redis::Client::open(info)?
            .get_multiplexed_async_connection_with_config(&limits)
            .await?;
        asked.query_async(&mut connection).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_hands_over_before_it_stops_and_a_killed_one_is_replaced() {
    let mut members = Members::start().await;
    let account = contract::WORKLOAD_ACCOUNT;
    members.set(0, account, "one").await.unwrap();

    // Told to stop, it hands over first, and takes nothing with it.
    members.signal(0, "TERM");
    let second = members.other_primary(0).await;
    members.ended(0);
    assert_eq!(members.get(second).await.as_deref(), Some("one"));
    members.start_member(0);
    members.whole().await;

    members.set(second, account, "two").await.unwrap();
    members.kill(second);
    let third = members.other_primary(second).await;
    members.start_member(second);
    members.whole().await;
    // It came back as a follower, with what the others have.
    assert_eq!(members.primary().await, Some(third));
    assert_eq!(members.get(third).await.as_deref(), Some("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_member_never_leads_and_an_outage_of_all_loses_nothing() {
    let mut members = Members::start().await;
    let account = contract::WORKLOAD_ACCOUNT;
    members.set(0, account, "kept").await.unwrap();
    for member in 1..3 {
        members
            .until("the followers have it", async || {
                members.get(member).await.as_deref() == Some("kept")
            })
            .await;
    }

    // The primary is back on an empty volume before it is missed.
    members.kill(0);
    members.empty_volume(0);
    members.start_member(0);
    let next = members.other_primary(0).await;
    members.whole().await;
    for member in 0..3 {
        assert_eq!(members.get(member).await.as_deref(), Some("kept"));
    }

    // All are killed at once, and the primary's volume is lost.
    for member in 0..3 {
        members.kill(member);
    }
    members.empty_volume(next);
    for member in 0..3 {
        members.start_member(member);
    }
    members.other_primary(next).await;
    members.whole().await;
    for member in 0..3 {
        assert_eq!(members.get(member).await.as_deref(), Some("kept"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_may_do_what_they_are_for_and_no_more() {
    let members = Members::start().await;
    let account = contract::WORKLOAD_ACCOUNT;
    let refused = |result: Result<(), RedisError>| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"), "{error}");
    };
    refused(members.ask(0, account, &cmd("FLUSHALL")).await);
    refused(
        members
            .ask(0, account, cmd("SET").arg("elsewhere").arg("x"))
            .await,
    );
    refused(members.set(0, contract::REPLICATION_ACCOUNT, "x").await);
    refused(members.set(0, contract::SENTINEL_ACCOUNT, "x").await);
    let nobody = members.set(0, "default", "x").await.unwrap_err();
    let refused = redis::ErrorKind::AuthenticationFailed;
    assert_eq!(nobody.kind(), refused, "{nobody}");
}
