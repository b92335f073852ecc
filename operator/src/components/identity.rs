//! The identity Secret: passwords and keys that must outlive everything else.
//!
//! It has no owner and is never deleted by the operator, unless `deletionPolicy: Delete` says that
//! the data shall go with the ChatbotDeployment: only then does it carry an owner reference, and the
//! garbage collector deletes it. No finalizer is needed for that, so none can ever wedge a delete.
//!
//! It is made by CREATE, never by apply, so that of two operators only one can make it; it is
//! completed by a patch that carries the `resourceVersion` that was read. A value is never
//! changed. When volumes are there whose identity is gone, nothing is made: a new key ring could
//! not read the old messages, and a new password could not log in.

use std::collections::BTreeMap;

use chatbot_contract::{identity, mysql};
use chatbot_crds::{ChatbotDeployment, ChatbotDeploymentSpec, DeletionPolicy, conditions};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use crate::child::Child;
use crate::component::{Component, Error, Notice, Observation, Scene};
use crate::facts::{Facts, References};
use crate::labels::{self, MANAGER};
use crate::live::Live;
use crate::names;
use crate::reason::{Problem, Reason};

mod generate;

/// The component.
pub struct Identity;

/// What the Secret shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name.
    pub secret: String,
    /// The owner it shall have, if any.
    pub owner: Option<OwnerReference>,
}

/// What is to be done with the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// Nothing.
    Keep,
    /// Make it.
    Create,
    /// Add these keys.
    Add(Vec<String>),
    /// Nothing, since data is there that only the lost values can open.
    Refuse(Vec<String>),
}

impl Component for Identity {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::IDENTITY
    }

    fn condition(&self) -> &'static str {
        conditions::IDENTITY_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        None
    }

    fn references(&self, _: &ChatbotDeploymentSpec) -> References {
        References {
            identity: true,
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        let owner = OwnerReference {
            api_version: ChatbotDeployment::api_version(&()).into_owned(),
            kind: ChatbotDeployment::kind(&()).into_owned(),
            name: facts.name.clone(),
            uid: facts.uid.clone(),
            ..OwnerReference::default()
        };
        Ok(Plan {
            secret: names::identity(&facts.name),
            owner: (facts.spec.deletion_policy == DeletionPolicy::Delete).then_some(owner),
        })
    }

    fn needs(&self, _: &Plan, _: &Facts, _: &Live) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, _: &Plan) -> Vec<Child> {
        Vec::new()
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let Plan {
            secret: name,
            owner,
        } = plan;
        let client = &scene.context.client;
        let facts = scene.facts;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &facts.namespace);
        let found = secrets
            .get_opt(name)
            .await
            .map_err(Error::kubernetes(format!("read Secret {name}")))?;
        let volumes = volumes(client, facts).await?;
        let keys = found
            .as_ref()
            .map(|secret| secret.data.clone().unwrap_or_default());
        let mut observation = Observation::new(
            Reason::Ready,
            format!(
                "Secret {name} holds every key: keep a copy of it, since the data is worth nothing without it"
            ),
        );
        let secret = match (decide(keys.as_ref(), &volumes), found) {
            (Decision::Keep, Some(secret)) => secret,
            (Decision::Refuse(missing), _) => {
                return Ok(Observation::new(
                    Reason::IdentityMissing,
                    refusal(name, &missing, &volumes),
                ));
            }
            (Decision::Add(missing), Some(secret)) => {
                observation.events.push(Notice {
                    warning: false,
                    reason: "IdentityCompleted",
                    message: format!("added {} to Secret {name}", missing.join(", ")),
                });
                add(&secrets, &secret, &missing).await?
            }
            (_, _) => {
                observation.events.push(Notice {
                    warning: false,
                    reason: "IdentityCreated",
                    message: format!("made Secret {name}: keep a copy of it"),
                });
                create(&secrets, facts, name).await?
            }
        };
        set_owner(&secrets, &secret, owner.as_ref()).await?;
        Ok(observation)
    }
}

/// Names of the volume claims with data of this ChatbotDeployment, read from the API server: a cache
/// may not have them yet.
async fn volumes(client: &Client, facts: &Facts) -> Result<Vec<String>, Error> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &facts.namespace);
    let parameters = ListParams::default().labels(&format!(
        "{}={},{}={}",
        labels::INSTANCE,
        facts.name,
        labels::COMPONENT,
        names::MYSQL
    ));
    let list = claims
        .list(&parameters)
        .await
        .map_err(Error::kubernetes("list the volume claims"))?;
    Ok(list.items.iter().map(ResourceExt::name_any).collect())
}

fn decide(found: Option<&BTreeMap<String, ByteString>>, volumes: &[String]) -> Decision {
    let all = generate::keys();
    let missing: Vec<String> = match found {
        None => all,
        Some(data) => all
            .into_iter()
            .filter(|key| data.get(key).is_none_or(|value| value.0.is_empty()))
            .collect(),
    };
    let opens_data = |key: &String| {
        key == identity::KEY_RING
            || key == identity::MYSQL_GROUP_ID
            || mysql::ACCOUNTS
                .iter()
                .any(|account| *key == identity::mysql_password(account))
    };
    if missing.is_empty() {
        Decision::Keep
    } else if !volumes.is_empty() && missing.iter().any(opens_data) {
        Decision::Refuse(missing)
    } else if found.is_none() {
        Decision::Create
    } else {
        Decision::Add(missing)
    }
}

fn refusal(name: &str, missing: &[String], volumes: &[String]) -> String {
    format!(
        "volumes with data exist ({}), and Secret {name}, which alone can open them, is not there or lacks {}: \
         restore the Secret from a copy, or delete the volume claims to begin without the data",
        volumes.join(", "),
        missing.join(", ")
    )
}

async fn create(secrets: &Api<Secret>, facts: &Facts, name: &str) -> Result<Secret, Error> {
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels::common(&facts.name, names::IDENTITY)),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(generate::values(&generate::keys(), Timestamp::now())),
        ..Secret::default()
    };
    let parameters = PostParams {
        field_manager: Some(format!("{MANAGER}/{}", names::IDENTITY)),
        ..PostParams::default()
    };
    secrets
        .create(&parameters, &secret)
        .await
        .map_err(Error::kubernetes(format!("create Secret {name}")))
}

async fn add(secrets: &Api<Secret>, secret: &Secret, missing: &[String]) -> Result<Secret, Error> {
    let name = secret.name_any();
    let patch = json!({
        "metadata": {"resourceVersion": secret.metadata.resource_version},
        "data": generate::values(missing, Timestamp::now()),
    });
    secrets
        .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(Error::kubernetes(format!("complete Secret {name}")))
}

/// Sets or removes the owner; the uid keeps the patch from making a Secret that was deleted meanwhile.
async fn set_owner(
    secrets: &Api<Secret>,
    secret: &Secret,
    owner: Option<&OwnerReference>,
) -> Result<(), Error> {
    let present = secret
        .owner_references()
        .iter()
        .find(|reference| reference.kind == ChatbotDeployment::kind(&()));
    let current = match (present, owner) {
        (None, None) => true,
        (Some(present), Some(owner)) => present.uid == owner.uid,
        _ => false,
    };
    if current {
        return Ok(());
    }
    let name = secret.name_any();
    let patch = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "uid": secret.metadata.uid,
            "ownerReferences": owner.into_iter().collect::<Vec<_>>(),
        },
    });
    let parameters = PatchParams::apply(&format!("{MANAGER}/{}", names::IDENTITY)).force();
    secrets
        .patch(&name, &parameters, &Patch::Apply(&patch))
        .await
        .map_err(Error::kubernetes(format!("set the owner of Secret {name}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> BTreeMap<String, ByteString> {
        generate::values(&generate::keys(), Timestamp::UNIX_EPOCH)
    }

    fn volume() -> Vec<String> {
        vec!["data-shop-mysql-0".to_owned()]
    }

    #[test]
    fn it_is_made_when_there_is_no_data() {
        assert_eq!(decide(None, &[]), Decision::Create);
    }

    #[test]
    fn it_is_never_made_anew_beside_data() {
        assert!(matches!(decide(None, &volume()), Decision::Refuse(_)));
    }

    #[test]
    fn a_complete_one_is_kept() {
        assert_eq!(decide(Some(&complete()), &volume()), Decision::Keep);
    }

    #[test]
    fn a_key_that_opens_no_data_is_added() {
        let mut data = complete();
        data.remove(identity::INTERNAL_KEY);
        assert_eq!(
            decide(Some(&data), &volume()),
            Decision::Add(vec![identity::INTERNAL_KEY.to_owned()])
        );
    }

    #[test]
    fn a_key_ring_is_never_replaced_beside_data() {
        let mut data = complete();
        data.insert(identity::KEY_RING.to_owned(), ByteString(Vec::new()));
        let missing = vec![identity::KEY_RING.to_owned()];
        assert_eq!(
            decide(Some(&data), &volume()),
            Decision::Refuse(missing.clone())
        );
        assert_eq!(decide(Some(&data), &[]), Decision::Add(missing));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let text = refusal("shop-identity", &["key-ring.json".to_owned()], &volume());
        assert!(text.contains("data-shop-mysql-0") && text.contains("restore the Secret"));
    }
}
