//! A cluster without a default StorageClass.

use chatbot_crds::conditions::MYSQL_READY;
use chatbot_e2e::system::small;
use chatbot_e2e::{Cluster, Error, Result, System, test, wait};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

#[tokio::test]
async fn without_a_default_storage_class_mysql_says_what_it_needs() -> Result<()> {
    test("no-default-class", async |namespace| {
        let class = default_class(&namespace.cluster).await?;
        set_default(&namespace.cluster, &class, false).await?;
        let told = async {
            let system = System::apply(namespace, "chat", small()).await?;
            let names = ["StorageClass", "mysql.managed.storage.className"];
            let message = system
                .reason(MYSQL_READY, "NoDefaultStorageClass", &names)
                .await?;
            println!("{message}");
            Ok(system)
        };
        let system: Result<_> = told.await;
        // Whatever happened, the cluster gets back what it had.
        set_default(&namespace.cluster, &class, true).await?;
        system?.ready(wait::LONG).await?;
        Ok(())
    })
    .await
}

async fn default_class(cluster: &Cluster) -> Result<String> {
    let classes: Api<StorageClass> = Api::all(cluster.client.clone());
    let list = classes
        .list(&ListParams::default())
        .await
        .map_err(Error::kubernetes("list the StorageClasses"))?;
    list.into_iter()
        .find(|class| {
            class
                .annotations()
                .get(DEFAULT)
                .is_some_and(|value| value == "true")
        })
        .map(|class| class.name_any())
        .ok_or_else(|| Error::Setup("the cluster has no default StorageClass".to_owned()))
}

async fn set_default(cluster: &Cluster, class: &str, value: bool) -> Result<()> {
    let classes: Api<StorageClass> = Api::all(cluster.client.clone());
    let change = json!({"metadata": {"annotations": {DEFAULT: value.to_string()}}});
    classes
        .patch(class, &PatchParams::default(), &Patch::Merge(change))
        .await
        .map(|_| ())
        .map_err(Error::kubernetes("change the default StorageClass"))
}
