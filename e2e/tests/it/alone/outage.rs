//! The whole cluster is stopped as by a power cut, and started again.

use std::path::Path;

use chatbot_crds::conditions::{DOCUMENTS_READY, KAFKA_READY, MYSQL_READY, REDIS_READY};
use chatbot_e2e::load::Load;
use chatbot_e2e::system::{merged, whole};
use chatbot_e2e::{Result, System, archive, command, model, test, wait};
use chatbot_testkit::person::Person;
use serde_json::json;

#[tokio::test]
async fn a_power_cut_of_the_whole_cluster_loses_nothing_and_everything_comes_back() -> Result<()> {
    test("power-cut", async |namespace| {
        let llm = model::start(namespace, None).await?;
        let system = System::apply(namespace, "chat", merged(whole(), json!({"llm": llm}))).await?;
        system.ready(wait::LONG).await?;
        let url = system.url().await?;
        let load = Load::start(&url).await?;

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev-cluster/power-cut");
        println!("{}", command::run(&script.to_string_lossy(), &[]).await?);
        wait::asking("an answer after the power cut", wait::LONG, async || {
            let answer = async { Person::register(&url).await?.ask(None, "hello").await };
            Ok(answer.await.map(|_| ()).map_err(|error| error.to_string()))
        })
        .await?;
        for engine in [MYSQL_READY, REDIS_READY, KAFKA_READY, DOCUMENTS_READY] {
            system.whole(engine).await?;
        }
        load.go_on().await?;

        let what = "the whole cluster stopped and started";
        archive::everything_arrived(&system, load, what).await
    })
    .await
}
