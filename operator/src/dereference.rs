//! The dereference step: reads what a component's validation looks at.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatbot_crds::ChatbotDeployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};

use crate::component::Error;
use crate::facts::{Facts, Identity, References, SecretData, StorageClassFact};
use crate::names;
use crate::settings::Settings;

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Reads what the references name.
///
/// # Errors
/// The API server refused or did not answer.
pub async fn dereference(
    client: &Client,
    settings: &Arc<Settings>,
    object: &ChatbotDeployment,
    references: References,
) -> Result<Facts, Error> {
    let References {
        secrets: wanted,
        storage_classes,
        identity,
    } = references;
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let mut secrets = BTreeMap::new();
    for secret in wanted {
        let data = read_secret(client, &namespace, &secret).await?;
        secrets.insert(secret, data);
    }
    let identity = if identity {
        read_secret(client, &namespace, &names::identity(&name))
            .await?
            .map(|data| Identity { data })
    } else {
        None
    };
    let storage_classes = if storage_classes {
        read_storage_classes(client).await?
    } else {
        None
    };
    Ok(Facts {
        name,
        namespace,
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
        annotations: object.annotations().clone(),
        spec: object.spec.clone(),
        status: object.status.clone().unwrap_or_default(),
        secrets,
        storage_classes,
        identity,
        settings: Arc::clone(settings),
    })
}

async fn read_secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<SecretData>, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = api
        .get_opt(name)
        .await
        .map_err(Error::kubernetes(format!("read Secret {name}")))?;
    Ok(secret.map(|secret| {
        secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect()
    }))
}

/// `None` when the operator may not see them: they are then not checked.
async fn read_storage_classes(client: &Client) -> Result<Option<Vec<StorageClassFact>>, Error> {
    let api: Api<StorageClass> = Api::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(Some(
            list.items
                .iter()
                .map(|class| StorageClassFact {
                    name: class.name_any(),
                    default: class
                        .annotations()
                        .get(DEFAULT_CLASS)
                        .is_some_and(|value| value == "true"),
                })
                .collect(),
        )),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(Error::kubernetes("list the StorageClasses")(error)),
    }
}
