//! What the operator does to a group: each step is a compare-and-swap, since a Lease does not fence.

use chatbot_crds::ChatbotDeployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::decide::Situation;
use super::facts::Role;
use super::intent::Intent;
use super::objects::{PRIMARY, ROLE, SECONDARY};
use super::plan::Plan;
use crate::component::Error;
use crate::context::Context;
use crate::facts::Facts;
use crate::labels::{self, MANAGER};
use crate::names;

/// Hands for one group.
pub(super) struct Acts<'a> {
    plan: &'a Plan,
    facts: &'a Facts,
    intents: Api<ConfigMap>,
    pods: Api<Pod>,
}

impl<'a> Acts<'a> {
    pub(super) fn new(context: &Context, facts: &'a Facts, plan: &'a Plan) -> Self {
        let client = &context.client;
        Self {
            plan,
            facts,
            intents: Api::namespaced(client.clone(), &plan.namespace),
            pods: Api::namespaced(client.clone(), &plan.namespace),
        }
    }

    /// The intent and the version of its object, from the API server itself: a cache may be old.
    pub(super) async fn read_intent(&self) -> Result<Option<(Intent, String)>, Error> {
        let name = self.plan.intent_name();
        let found = self
            .intents
            .get_opt(&name)
            .await
            .map_err(Error::kubernetes(format!("read ConfigMap {name}")))?;
        found
            .map(|object| {
                let version = object.resource_version().unwrap_or_default();
                Intent::read(&object.data.unwrap_or_default())
                    .map(|intent| (intent, version))
                    .map_err(Error::engine(format!("read ConfigMap {name}")))
            })
            .transpose()
    }

    /// Writes the intent, if the one that was read still stands; tells whether it did.
    ///
    /// It goes with the ChatbotDeployment; the epochs beside the data tell the next one where to go on.
    pub(super) async fn write_intent(
        &self,
        intent: &Intent,
        read_version: Option<&str>,
    ) -> Result<bool, Error> {
        let name = self.plan.intent_name();
        let Some(version) = read_version else {
            let object = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(name),
                    labels: Some(labels::common(&self.facts.name, names::MYSQL)),
                    owner_references: self.owner(),
                    ..ObjectMeta::default()
                },
                data: Some(intent.data()),
                ..ConfigMap::default()
            };
            let created = self.intents.create(&PostParams::default(), &object).await;
            return written(&self.plan.intent_name(), created);
        };
        let patch = json!({"metadata": {"resourceVersion": version}, "data": intent.data()});
        let patched = self
            .intents
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        written(&name, patched)
    }

    /// The garbage collector removes it with the ChatbotDeployment. It names no controller, so the
    /// apply step, which deletes what is controlled and no longer built, leaves it alone.
    fn owner(&self) -> Option<Vec<OwnerReference>> {
        Some(vec![OwnerReference {
            api_version: ChatbotDeployment::api_version(&()).into_owned(),
            kind: ChatbotDeployment::kind(&()).into_owned(),
            name: self.facts.name.clone(),
            uid: self.facts.uid.clone(),
            ..OwnerReference::default()
        }])
    }

    /// Deletes exactly this pod: if it was replaced or changed meanwhile, nothing happens.
    pub(super) async fn restart(&self, pod: &Pod) -> Result<(), Error> {
        let name = pod.name_any();
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: pod.uid(),
            resource_version: pod.resource_version(),
        });
        match self.pods.delete(&name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(Error::kubernetes(format!("delete Pod {name}"))(error)),
        }
    }

    /// Writes on each pod what the group says it is; a member that says nothing is nothing.
    pub(super) async fn label(&self, pods: &[&Pod], situation: &Situation) -> Result<(), Error> {
        for member in &situation.members {
            let Some(pod) = pods.iter().find(|pod| pod.name_any() == member.name) else {
                continue;
            };
            let role = member
                .facts
                .as_ref()
                .and_then(|facts| facts.server.as_ref())
                .filter(|server| server.is_online())
                .and_then(|server| server.own()?.role)
                .map(|role| match role {
                    Role::Primary => PRIMARY,
                    Role::Secondary => SECONDARY,
                });
            if pod.labels().get(ROLE).map(String::as_str) == role {
                continue;
            }
            let patch = json!({"metadata": {"uid": pod.uid(), "labels": {ROLE: role}}});
            let patched = self
                .pods
                .patch(
                    &member.name,
                    &PatchParams {
                        field_manager: Some(format!("{MANAGER}/{}", names::MYSQL)),
                        ..PatchParams::default()
                    },
                    &Patch::Merge(patch),
                )
                .await;
            match patched {
                Ok(_) => {}
                // Gone, or another pod by now (its uid is not the one that was judged).
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {}
                Err(error) => {
                    return Err(Error::kubernetes(format!("label Pod {}", member.name))(
                        error,
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether it was written; another hand that was first is no error, but a reason to look again.
fn written(name: &str, result: Result<ConfigMap, kube::Error>) -> Result<bool, Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(Error::kubernetes(format!("write ConfigMap {name}"))(error)),
    }
}
