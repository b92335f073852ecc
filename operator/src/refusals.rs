//! Finds out why a controller of the cluster makes no pods: a Job or StatefulSet whose pods a
//! quota or an admission rule refuses says so by Events only.

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::component::Error;

/// What the last Event `FailedCreate` about an object says, if there is one.
///
/// # Errors
/// The API server refused or did not answer.
pub async fn last(
    client: &Client,
    namespace: &str,
    kind: &str,
    name: &str,
    uid: &str,
) -> Result<Option<String>, Error> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let selector = format!(
        "involvedObject.kind={kind},involvedObject.name={name},involvedObject.uid={uid},reason=FailedCreate"
    );
    let list = api
        .list(&ListParams::default().fields(&selector).limit(50))
        .await
        .map_err(Error::kubernetes(format!(
            "list the Events of {kind} {name}"
        )))?;
    Ok(list
        .items
        .into_iter()
        .max_by_key(|event| {
            event
                .last_timestamp
                .as_ref()
                .map(|time| time.0)
                .or(event.event_time.as_ref().map(|time| time.0))
        })
        .and_then(|event| event.message))
}
