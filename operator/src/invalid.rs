//! Reports an object that cannot be read as a ChatbotDeployment on the object itself.
//!
//! Such an object was stored under an older schema, or past ours. What exists of it is left as it
//! is, and every other object is served on.

use chatbot_crds::{ChatbotDeployment, conditions};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource};
use serde_json::json;

use crate::labels::MANAGER;
use crate::reason::Reason;

/// Reports unreadable objects.
#[derive(Clone)]
pub struct Reporter {
    client: Client,
    recorder: Recorder,
}

impl Reporter {
    /// Makes a reporter.
    #[must_use]
    pub const fn new(client: Client, recorder: Recorder) -> Self {
        Self { client, recorder }
    }

    /// Writes the condition and the Event; what fails is logged.
    pub async fn report(&self, object: &InvalidObject) {
        let (Some(name), Some(namespace)) = (
            object.metadata.name.as_deref(),
            object.metadata.namespace.as_deref(),
        ) else {
            return;
        };
        let message = format!(
            "this object cannot be read as a ChatbotDeployment, so that nothing is done for it: {}",
            object.error
        );
        tracing::error!(
            name,
            namespace,
            error = object.error,
            "object cannot be read"
        );
        let kind = ApiResource::erase::<ChatbotDeployment>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind);
        // The time is the object's own, so that the same report is the same write.
        let since = object
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        let patch = json!({
            "apiVersion": ChatbotDeployment::api_version(&()),
            "kind": ChatbotDeployment::kind(&()),
            "status": {"conditions": [
                condition(conditions::READY, "False", &message, since, object),
                condition(conditions::STALLED, "True", &message, since, object),
            ]},
        });
        let parameters = PatchParams::apply(&format!("{MANAGER}/summary")).force();
        if let Err(error) = api
            .patch_status(name, &parameters, &Patch::Apply(&patch))
            .await
        {
            tracing::warn!(
                name,
                namespace,
                error = &error as &dyn std::error::Error,
                "failed to report an unreadable object on itself"
            );
        }
        let mut reference = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some(ChatbotDeployment::api_version(&()).into_owned()),
            kind: Some(ChatbotDeployment::kind(&()).into_owned()),
            ..Default::default()
        };
        reference.name = Some(name.to_owned());
        reference.namespace = Some(namespace.to_owned());
        reference.uid.clone_from(&object.metadata.uid);
        let event = Event {
            type_: EventType::Warning,
            reason: Reason::InvalidObject.to_string(),
            note: Some(message.chars().take(1000).collect()),
            action: "Read".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to publish an event"
            );
        }
    }
}

fn condition(
    type_: &str,
    status: &str,
    message: &str,
    since: Timestamp,
    object: &InvalidObject,
) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Reason::InvalidObject.to_string(),
        message: message.to_owned(),
        last_transition_time: Time(since),
        observed_generation: object.metadata.generation,
    }
}
