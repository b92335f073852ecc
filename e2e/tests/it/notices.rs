//! What leaves a system for its users: webhooks.

use std::net::IpAddr;

use chatbot_contract::Workload;
use chatbot_e2e::error::ensure;
use chatbot_e2e::system::{merged, small};
use chatbot_e2e::{Error, Result, System, faults, test, wait};
use chatbot_testkit::person::Person;
use chatbot_testkit::receiver::{Act, Receiver};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Sends a request of a person's, and gives the JSON of the answer.
async fn call(person: &Person, method: Method, path: &str, body: Value) -> Result<Value> {
    let response = person.request(method, path).json(&body).send().await;
    let response = response.map_err(Error::http(format!("call {path}")))?;
    let status = response.status();
    let answer: Value = response
        .json()
        .await
        .map_err(Error::http(format!("read the answer of {path}")))?;
    ensure(status.is_success(), || format!("{path}: {status} {answer}"))?;
    Ok(answer)
}

#[tokio::test]
async fn a_webhook_arrives_though_its_receiver_and_every_storage_pod_failed_at_first() -> Result<()>
{
    test("webhooks", async |namespace| {
        let host = &namespace.cluster.settings.host;
        let networks = [format!("{host}/32")];
        let spec = json!({
            "storage": {"replicas": 2},
            "kafka": {"none": null, "managed": {"replicas": 1}},
            "webhooks": {"allowedNetworks": networks, "allowHttp": true},
        });
        let system = System::apply(namespace, "chat", merged(small(), spec)).await?;
        system.ready(wait::LONG).await?;
        let person = Person::register(&system.url().await?).await?;
        let address: IpAddr = host
            .parse()
            .map_err(|error| Error::Setup(format!("{host} is no address: {error}")))?;
        let away = Act::Answer(StatusCode::SERVICE_UNAVAILABLE);
        let receiver = Receiver::start_at(address, away)
            .await
            .map_err(|error| Error::Setup(format!("failed to listen on {host}: {error}")))?;
        let url = receiver.url();
        let made = call(&person, Method::POST, "/v1/webhooks", json!({"url": url})).await?;
        let text = |name: &str| made[name].as_str().unwrap_or_default();
        let deliveries = format!("/v1/webhooks/{}/deliveries", text("id"));

        person.ask(None, "the secret of the crab").await?;
        let refused = receiver.wait_for(2).await;
        let storage = Workload::Storage.name();
        faults::crash_all(&system, storage, storage).await?;
        receiver.act(Act::Answer(StatusCode::OK));

        wait::asking("both messages to be delivered", wait::LONG, async || {
            let page = call(&person, Method::GET, &deliveries, json!({})).await?;
            let all = page["data"].as_array().map_or(&[][..], Vec::as_slice);
            let delivered = all.iter().filter(|one| one["status"] == "delivered");
            let both = delivered.count() == 2;
            Ok(both.then_some(()).ok_or_else(|| page.to_string()))
        })
        .await?;
        let received = receiver.received();
        for first in &refused {
            let times = received.iter().filter(|one| one.id() == first.id()).count();
            ensure(times >= 2, || format!("{} came {times} times", first.id()))?;
        }
        for message in &received {
            assert!(message.is_signed_with(text("secret")));
            assert!(!String::from_utf8_lossy(&message.body).contains("crab"));
        }
        Ok(())
    })
    .await
}
