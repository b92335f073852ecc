//! The primary of a group of three dies in every way while people talk: nothing acknowledged is
//! lost, doubled or reordered, and no request fails.

use chatbot_e2e::error::ensure;
use chatbot_e2e::faults::{self, Signal};
use chatbot_e2e::load::{Load, nothing_failed, nothing_lost};
use chatbot_e2e::system::{MYSQL, highly_available, merged, names};
use chatbot_e2e::{Result, System, TestNamespace, model, mysql, test, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde_json::json;

async fn group(namespace: &TestNamespace) -> Result<System> {
    let llm = model::start(namespace, None).await?;
    let spec = merged(highly_available(), json!({"llm": llm}));
    let system = System::apply(namespace, "chat", spec).await?;
    system.ready(wait::LONG).await?;
    Ok(system)
}

async fn primary_pod(system: &System) -> Result<Pod> {
    let name = system.primary().await?;
    let pods: Api<Pod> = system.namespace.api();
    pods.get(&name)
        .await
        .map_err(chatbot_e2e::Error::kubernetes(format!("read pod {name}")))
}

#[tokio::test]
async fn a_deleted_primary_costs_no_acknowledged_message_and_no_request() -> Result<()> {
    test("primary-deleted", async |namespace| {
        let system = group(namespace).await?;
        let load = Load::start(&system.url().await?).await?;
        let primary = primary_pod(&system).await?;
        let name = primary.name_any();
        faults::delete_pod(&namespace.api(), &name).await?;
        load.go_on().await?;
        faults::replaced(&namespace.api(), &name, primary.metadata.uid.as_deref()).await?;
        system.ready(wait::LONG).await?;
        load.go_on().await?;
        nothing_failed(&load.finish("the primary's pod deleted").await?)
    })
    .await
}

#[tokio::test]
async fn a_killed_primary_costs_no_acknowledged_message_and_no_request() -> Result<()> {
    test("primary-killed", async |namespace| {
        let system = group(namespace).await?;
        let load = Load::start(&system.url().await?).await?;
        let primary = primary_pod(&system).await?;
        let name = primary.name_any();
        faults::signal(&namespace.cluster, &primary, MYSQL, Signal::Kill).await?;
        load.go_on().await?;
        let what = format!("the killed container of {name} to be ready again");
        wait::until(
            namespace.api::<Pod>(),
            &name,
            &what,
            wait::LONG,
            |pod| match pod {
                Some(pod) if restarts(pod) > restarts(&primary) && faults::is_ready(pod) => Ok(()),
                pod => Err(pod.map(chatbot_e2e::describe::pod_line).unwrap_or_default()),
            },
        )
        .await?;
        system.ready(wait::LONG).await?;
        load.go_on().await?;
        nothing_failed(&load.finish("the primary killed").await?)?;
        all_members_agree(&system).await
    })
    .await
}

#[tokio::test]
async fn a_full_outage_is_recovered_and_nothing_acknowledged_is_lost() -> Result<()> {
    test("full-outage", async |namespace| {
        let system = group(namespace).await?;
        let load = Load::start(&system.url().await?).await?;
        let members = system.pods(MYSQL).await?;
        assert_eq!(members.len(), 3, "{:?}", names(&members));
        for member in &members {
            faults::signal(&namespace.cluster, member, MYSQL, Signal::Kill).await?;
        }
        for member in &members {
            faults::delete_pod_now(&namespace.api(), &member.name_any()).await?;
        }
        for member in &members {
            let uid = member.metadata.uid.as_deref();
            faults::replaced(&namespace.api(), &member.name_any(), uid).await?;
        }
        system.ready(wait::LONG).await?;
        load.go_on().await?;
        nothing_lost(&load.finish("all members killed at once").await?)?;
        all_members_agree(&system).await
    })
    .await
}

#[tokio::test]
async fn a_single_member_grows_to_a_group_of_three_while_people_talk() -> Result<()> {
    test("growth", async |namespace| {
        let llm = model::start(namespace, None).await?;
        let one = json!({"llm": llm, "mysql": {"managed": {"replicas": 1}}});
        let system = System::apply(namespace, "chat", merged(highly_available(), one)).await?;
        system.ready(wait::LONG).await?;
        let load = Load::start(&system.url().await?).await?;
        system
            .change(json!({"mysql": {"managed": {"replicas": 3}}}))
            .await?;
        let ready = system.ready(wait::LONG).await?;
        let online = ready
            .status
            .and_then(|status| status.components.mysql?.ready);
        assert_eq!(online.as_deref(), Some("3/3"));
        load.go_on().await?;
        nothing_failed(&load.finish("growth from 1 to 3 members").await?)?;
        all_members_agree(&system).await
    })
    .await
}

/// Every member is online, and has executed the same transactions.
async fn all_members_agree(system: &System) -> Result<()> {
    let mut executed = Vec::new();
    for member in names(&system.pods(MYSQL).await?) {
        let online = "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE = 'ONLINE'";
        let count = mysql::query_in(system, &member, online).await?;
        ensure(count == "3", || {
            format!("{member} sees {count} members online")
        })?;
        executed.push(
            mysql::query_in(
                system,
                &member,
                "SELECT COUNT(*) FROM conversations.messages",
            )
            .await?,
        );
    }
    ensure(executed.windows(2).all(|pair| pair[0] == pair[1]), || {
        format!("the members have different numbers of messages: {executed:?}")
    })
}

fn restarts(pod: &Pod) -> i32 {
    faults::restarts(std::slice::from_ref(pod))
        .into_values()
        .sum()
}
