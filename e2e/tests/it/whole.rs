//! Every engine of a whole system dies in one run while people talk: nothing acknowledged is lost, and every message is told and
//! archived, once in effect and in order.

use chatbot_contract::Workload;
use chatbot_crds::conditions::{DOCUMENTS_READY, KAFKA_READY, MYSQL_READY, REDIS_READY};
use chatbot_e2e::load::Load;
use chatbot_e2e::system::{DOCUMENTS, KAFKA, MYSQL, REDIS, merged, whole};
use chatbot_e2e::{Result, System, archive, faults, kafka, model, redis, test, wait};
use serde_json::json;

#[tokio::test]
async fn every_message_is_told_and_archived_once_whatever_engine_dies() -> Result<()> {
    test("whole", async |namespace| {
        let llm = model::start(namespace, None).await?;
        let system = System::apply(namespace, "chat", merged(whole(), json!({"llm": llm}))).await?;
        system.ready(wait::LONG).await?;
        let load = Load::start(&system.url().await?).await?;

        faults::crash_named(&system, &redis::primary(&system).await?, REDIS).await?;
        load.go_on().await?;
        faults::crash_named(&system, &kafka::leader(&system).await?, KAFKA).await?;
        load.go_on().await?;
        for container in ["ferretdb", "postgres"] {
            faults::crash_all(&system, DOCUMENTS, container).await?;
            load.go_on().await?;
        }
        faults::crash_named(&system, &system.primary().await?, MYSQL).await?;
        load.go_on().await?;
        let storage = Workload::Storage.name();
        faults::crash_all(&system, storage, storage).await?;
        load.go_on().await?;
        for engine in [MYSQL_READY, REDIS_READY, KAFKA_READY, DOCUMENTS_READY] {
            system.whole(engine).await?;
        }

        let what = "Redis, Kafka, documents, MySQL and storage killed in turn";
        archive::everything_arrived(&system, load, what).await
    })
    .await
}
