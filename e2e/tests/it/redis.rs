//! Redis dies in every way while people talk, or was never there: users are served all the time.

use chatbot_crds::conditions::{DEGRADED, READY, REDIS_READY};
use chatbot_e2e::error::ensure;
use chatbot_e2e::faults;
use chatbot_e2e::load::{Load, nothing_failed};
use chatbot_e2e::system::{REDIS, is, merged, names, small};
use chatbot_e2e::{Error, Result, System, TestNamespace, model, redis, test, wait};
use chatbot_testkit::person::Person;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

async fn three_members(namespace: &TestNamespace) -> Result<System> {
    let llm = model::start(namespace, None).await?;
    let three = json!({"llm": llm, "redis": {"none": null, "managed": {"replicas": 3}}});
    let system = System::apply(namespace, "chat", merged(small(), three)).await?;
    system.ready(wait::LONG).await?;
    Ok(system)
}

/// Waits until another member than this one is primary.
async fn other_primary(system: &System, than: &str) -> Result<String> {
    system
        .until("another Redis primary", wait::LONG, |system| {
            let redis = system.status.as_ref()?.components.redis.as_ref()?;
            redis.primary.clone().filter(|primary| primary != than)
        })
        .await
}

/// Waits until Redis is lost, and sees that the system is Ready nevertheless.
async fn degraded(system: &System) -> Result<()> {
    let seen = system
        .until("Redis lost", wait::LONG, |system| {
            is(system, DEGRADED, "True").then(|| system.clone())
        })
        .await?;
    ensure(is(&seen, READY, "True"), || {
        chatbot_e2e::describe::conditions(&seen)
    })
}

#[tokio::test]
async fn users_notice_nothing_while_redis_is_flushed_deleted_and_killed() -> Result<()> {
    test("redis-faults", async |namespace| {
        let system = three_members(namespace).await?;
        let load = Load::start(&system.url().await?).await?;

        let first = redis::primary(&system).await?;
        redis::command_in(&system, &first, "FLUSHALL").await?;
        load.go_on().await?;

        faults::delete_pod(&namespace.api(), &first).await?;
        let second = other_primary(&system, &first).await?;
        load.go_on().await?;
        system.whole(REDIS_READY).await?;

        // A crash lasts about as long as a Sentinel waits: the same member may lead afterwards.
        faults::crash_named(&system, &second, REDIS).await?;
        load.go_on().await?;
        system.whole(REDIS_READY).await?;

        faults::crash_all(&system, REDIS, REDIS).await?;
        system.whole(REDIS_READY).await?;
        load.go_on().await?;
        nothing_failed(&load.finish("Redis flushed, deleted, killed").await?)
    })
    .await
}

#[tokio::test]
async fn a_primary_that_does_not_come_back_does_not_stop_the_failover() -> Result<()> {
    test("redis-pending", async |namespace| {
        let system = three_members(namespace).await?;
        let first = redis::primary(&system).await?;
        let set = "SET chatbot:kept yes";
        redis::command_in(&system, &first, set).await?;
        let quota: Api<ResourceQuota> = namespace.api();
        namespace
            .apply::<ResourceQuota>("none", json!({"spec": {"hard": {"pods": "0"}}}))
            .await?;
        faults::delete_pod_now(&namespace.api(), &first).await?;
        let second = other_primary(&system, &first).await?;
        degraded(&system).await?;
        let kept = redis::command_in(&system, &second, "GET chatbot:kept").await?;
        assert_eq!(kept, "yes");

        quota
            .delete("none", &DeleteParams::default())
            .await
            .map_err(Error::kubernetes("delete the quota"))?;
        system.whole(REDIS_READY).await?;
        let kept = redis::command_in(&system, &first, "GET chatbot:kept").await?;
        assert_eq!(kept, "yes");
        Ok(())
    })
    .await
}

/// The `redis` part of a spec that uses another system's only member as an external Redis.
async fn borrowed(owner: &System, password: &str) -> Result<Value> {
    let secret = [("username", "workload"), ("password", password)];
    owner.namespace.secret("cache", &secret).await?;
    let host = format!("{}-redis-0.{}.svc", owner.name, owner.namespace.name);
    Ok(json!({"none": null, "external": {"host": host, "secretName": "cache"}}))
}

#[tokio::test]
async fn an_external_redis_may_refuse_and_go_away_and_a_spec_may_do_without() -> Result<()> {
    test("redis-external", async |namespace| {
        let one = json!({"redis": {"none": null, "managed": {"replicas": 1}}});
        let owner = System::apply(namespace, "cache", merged(small(), one)).await?;
        owner.ready(wait::LONG).await?;

        // At first with a wrong password: the system waits for what it was promised, and says for what.
        let redis = borrowed(&owner, "wrong").await?;
        let system =
            System::apply(namespace, "chat", merged(small(), json!({"redis": redis}))).await?;
        system
            .reason(REDIS_READY, "RedisRefused", &["cache-redis-0"])
            .await?;
        let key = chatbot_contract::identity::redis_password("workload");
        borrowed(&owner, &owner.identity(&key).await?).await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;
        person.ask(None, "with a cache").await?;

        // Lost later, it is a degraded mode.
        owner.delete().await?;
        degraded(&system).await?;
        person.ask(None, "without a cache").await?;

        // The spec may change its mind, and what is no longer wanted goes.
        system
            .change(json!({"redis": {"external": null, "managed": {"replicas": 1}}}))
            .await?;
        system.ready(wait::LONG).await?;
        assert_eq!(names(&system.pods(REDIS).await?), ["chat-redis-0"]);
        system
            .change(json!({"redis": {"managed": null, "none": {}}}))
            .await?;
        wait::gone(namespace.api::<StatefulSet>(), "chat-redis", wait::LONG).await?;
        system.ready(wait::LONG).await?;
        for pod in system.pods(REDIS).await? {
            wait::gone(namespace.api::<Pod>(), &pod.name_any(), wait::LONG).await?;
        }
        person.ask(None, "with none at all").await?;
        Ok(())
    })
    .await
}
