//! The apply step: makes the cluster hold what was built, and no more.
//!
//! Server-side apply under the component's own field manager, by force: in the fields we set, we
//! are right. An apply that would change nothing is skipped: the live object carries the hash of
//! what was last applied (so that a field we no longer set is noticed) and still holds every value
//! of it (so that a change by somebody else is undone).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::child::Child;
use crate::component::Error;
use crate::labels::{self, MANAGER};
use crate::reason::{Problem, Reason};
use crate::stores::{Owned, Stores};

/// Whose children are applied.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Namespace.
    pub namespace: String,
    /// Name of the ChatbotDeployment.
    pub instance: String,
    /// The component.
    pub component: &'static str,
    /// Reference to the ChatbotDeployment.
    pub reference: OwnerReference,
}

/// What applying did.
#[derive(Debug, Default)]
pub struct Applied {
    /// Objects as the API server returned them.
    pub changed: Vec<DynamicObject>,
    /// Kind and name of each object that was deleted because it is no longer built.
    pub deleted: Vec<String>,
}

/// Applies what was built and deletes what no longer is.
///
/// # Errors
/// The API server refused or did not answer, or a name is taken by somebody else's object.
pub async fn apply(
    client: &Client,
    stores: &Stores,
    owner: &Owner,
    children: Vec<Child>,
) -> Result<Applied, Error> {
    let orphans: Vec<Owned> = stores
        .owned(
            &owner.namespace,
            &owner.instance,
            owner.component,
            &owner.reference.uid,
        )
        .into_iter()
        .filter(|owned| {
            !children
                .iter()
                .any(|child| child.resource.kind == owned.resource.kind && child.name == owned.name)
        })
        .collect();
    let mut applied = Applied::default();
    for child in children {
        let child = finish(child, owner);
        let cached = stores.body(&child.resource.kind, &owner.namespace, &child.name);
        if cached.as_ref().is_some_and(|live| is_current(&child, live)) {
            continue;
        }
        applied
            .changed
            .extend(apply_one(client, owner, &child, cached).await?);
    }
    for orphan in orphans {
        delete(client, owner, &orphan).await?;
        applied
            .deleted
            .push(format!("{} {}", orphan.resource.kind, orphan.name));
    }
    Ok(applied)
}

async fn apply_one(
    client: &Client,
    owner: &Owner,
    child: &Child,
    cached: Option<Value>,
) -> Result<Option<DynamicObject>, Error> {
    let Child {
        resource,
        name,
        body,
    } = child;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &owner.namespace, resource);
    let what = format!("apply {} {name}", resource.kind);
    let live = match cached {
        Some(live) => Some(live),
        // Not in the cache: it does not exist, it is not ours, or its kind is not watched.
        None => api
            .get_opt(name)
            .await
            .map_err(Error::kubernetes(format!("read {} {name}", resource.kind)))?
            .map(|live| json!(live)),
    };
    if let Some(live) = &live {
        check_ownership(owner, child, live)?;
        if is_current(child, live) {
            return Ok(None);
        }
    }
    api.patch(
        name,
        &PatchParams::apply(&format!("{MANAGER}/{}", owner.component)).force(),
        &Patch::Apply(body),
    )
    .await
    .map(Some)
    .map_err(|error| refused(what, error))
}

/// A refusal that trying again will not change is a problem of the spec or of the namespace.
fn refused(step: String, error: kube::Error) -> Error {
    let kube::Error::Api(status) = &error else {
        return Error::kubernetes(step)(error);
    };
    let problem = match status.code {
        403 if status.message.contains("exceeded quota") => Reason::QuotaExceeded,
        422 | 400 => Reason::InvalidSpec,
        _ => return Error::kubernetes(step)(error),
    };
    Error::Refused(Problem::new(
        problem,
        format!("failed to {step}: {}", status.message),
    ))
}

async fn delete(client: &Client, owner: &Owner, orphan: &Owned) -> Result<(), Error> {
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &owner.namespace, &orphan.resource);
    let parameters = DeleteParams::background().preconditions(Preconditions {
        uid: orphan.uid.clone(),
        resource_version: None,
    });
    match api.delete(&orphan.name, &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(Error::kubernetes(format!(
            "delete {} {}",
            orphan.resource.kind, orphan.name
        ))(error)),
    }
}

/// An object of this name that another owner controls, or that we never labelled, is not ours to change.
fn check_ownership(owner: &Owner, child: &Child, live: &Value) -> Result<(), Error> {
    let labels = &live["metadata"]["labels"];
    let labelled = labels[labels::MANAGED_BY] == MANAGER
        && labels[labels::INSTANCE] == owner.instance.as_str();
    let controllers: Vec<&Value> = live["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|reference| reference["controller"] == true)
        .collect();
    let foreign = controllers
        .iter()
        .any(|reference| reference["uid"] != owner.reference.uid.as_str());
    if foreign && labelled {
        // The ChatbotDeployment was deleted and made again; the garbage collector has yet to
        // delete what the old one owned.
        return Err(Error::Refused(Problem::new(
            Reason::WaitingForDependency,
            format!(
                "{} {} of the ChatbotDeployment that had this name before is still being deleted",
                child.resource.kind, child.name
            ),
        )));
    }
    if foreign || !labelled {
        return Err(Error::Refused(Problem::new(
            Reason::NameTaken,
            format!(
                "{} {} exists and was not made by this ChatbotDeployment: delete it, or choose another name",
                child.resource.kind, child.name
            ),
        )));
    }
    Ok(())
}

/// Adds what every child has: type, namespace, labels, owner, hash.
fn finish(mut child: Child, owner: &Owner) -> Child {
    child.body["apiVersion"] = json!(child.resource.api_version);
    child.body["kind"] = json!(child.resource.kind);
    let metadata = &mut child.body["metadata"];
    metadata["namespace"] = json!(owner.namespace);
    for (key, value) in labels::common(&owner.instance, owner.component) {
        metadata["labels"][key] = json!(value);
    }
    metadata["ownerReferences"] = json!([owner.reference]);
    let hash = hash(&child.body);
    child.body["metadata"]["annotations"][labels::APPLIED_HASH] = json!(hash);
    child
}

fn hash(body: &Value) -> String {
    hex(&Sha256::digest(body.to_string().as_bytes())[..8])
}

/// Lowercase hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether applying the child would change nothing.
fn is_current(child: &Child, live: &Value) -> bool {
    // A typed object in the cache has no type of its own.
    let mut wanted = child.body.clone();
    if let Some(fields) = wanted.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    live["metadata"]["deletionTimestamp"].is_null() && contains(live, &wanted)
}

/// Whether `live` holds every value of `wanted`; lists may hold more, in any order.
fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            live.get(key)
                .map_or_else(|| is_empty(wanted), |live| contains(live, wanted))
        }),
        (Value::Array(live), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| live.iter().any(|live| contains(live, wanted))),
        (live, wanted) => live == wanted,
    }
}

/// The API server leaves out what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn owner() -> Owner {
        Owner {
            namespace: "default".to_owned(),
            instance: "shop".to_owned(),
            component: "chat",
            reference: OwnerReference {
                api_version: "chatbot.rs/v1alpha1".to_owned(),
                kind: "ChatbotDeployment".to_owned(),
                name: "shop".to_owned(),
                uid: "1".to_owned(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            },
        }
    }

    fn child(data: &Value) -> Child {
        let map: ConfigMap =
            serde_json::from_value(json!({"metadata": {"name": "x"}, "data": data})).unwrap();
        finish(Child::new(&map), &owner())
    }

    #[test]
    fn an_apply_that_would_change_nothing_is_skipped() {
        let child = child(&json!({"a": "1"}));
        let mut live = child.body.clone();
        live["metadata"]["uid"] = json!("7");
        assert!(is_current(&child, &live));
    }

    #[test]
    fn drift_in_a_field_of_ours_is_noticed() {
        let child = child(&json!({"a": "1"}));
        let mut live = child.body.clone();
        live["data"]["a"] = json!("2");
        assert!(!is_current(&child, &live));
    }

    #[test]
    fn a_field_that_is_no_longer_set_is_noticed() {
        let live = child(&json!({"a": "1", "b": "2"})).body;
        assert!(!is_current(&child(&json!({"a": "1"})), &live));
    }

    #[test]
    fn an_object_of_somebody_else_is_left_alone() {
        let child = child(&json!({}));
        let foreign = json!({"metadata": {"name": "x"}});
        let Err(Error::Refused(problem)) = check_ownership(&owner(), &child, &foreign) else {
            panic!("it was accepted");
        };
        assert_eq!(problem.reason, Reason::NameTaken);
        assert!(problem.message.contains("ConfigMap x"));
    }

    #[test]
    fn what_an_earlier_deployment_of_the_name_left_is_waited_for() {
        let child = child(&json!({}));
        let mut live = child.body.clone();
        live["metadata"]["ownerReferences"][0]["uid"] = json!("0");
        let Err(Error::Refused(problem)) = check_ownership(&owner(), &child, &live) else {
            panic!("it was accepted");
        };
        assert_eq!(problem.reason, Reason::WaitingForDependency);
    }

    #[test]
    fn a_list_may_hold_more_in_any_order() {
        let live = json!([{"name": "injected"}, {"name": "a", "image": "x", "tty": false}]);
        assert!(contains(&live, &json!([{"name": "a", "image": "x"}])));
        assert!(!contains(&live, &json!([{"name": "a", "image": "y"}])));
        assert!(contains(
            &json!({}),
            &json!({"securityContext": {}, "env": []})
        ));
    }
}
