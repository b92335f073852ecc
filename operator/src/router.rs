//! Says which controllers must look at which ChatbotDeployment when something changed.
//!
//! Each controller has a queue of its own. A change of an object that a component made wakes that
//! component's controller; a change of the ChatbotDeployment wakes those to whom it matters, and
//! never the one who made the change; a change of a Secret wakes those whose spec names it.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Mutex;

use chatbot_crds::{ChatbotDeployment, ChatbotDeploymentSpec, ChatbotDeploymentStatus, conditions};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use crate::facts::References;
use crate::{labels, names};

/// What the router must know of a controller.
pub struct Interest {
    /// Name of the component.
    pub component: &'static str,
    /// Conditions that it writes itself.
    pub writes: Vec<&'static str>,
    /// Whether it looks at the parts of `status.components`.
    pub sums_up: bool,
    /// What it reads besides its own objects.
    pub references: Box<dyn Fn(&ChatbotDeploymentSpec) -> References + Send + Sync>,
}

struct Queue {
    interest: Interest,
    sender: UnboundedSender<ObjectRef<ChatbotDeployment>>,
    seen: Mutex<HashMap<ObjectRef<ChatbotDeployment>, u64>>,
}

/// The queues of all controllers.
#[derive(Default)]
pub struct Router {
    queues: Vec<Queue>,
}

impl Router {
    /// Adds a controller and returns its queue.
    pub fn add(&mut self, interest: Interest) -> UnboundedReceiver<ObjectRef<ChatbotDeployment>> {
        let (sender, receiver) = unbounded();
        self.queues.push(Queue {
            interest,
            sender,
            seen: Mutex::default(),
        });
        receiver
    }

    /// A ChatbotDeployment was added or changed.
    pub fn object(&self, object: &ChatbotDeployment) {
        let reference = ObjectRef::from_obj(object);
        for queue in &self.queues {
            let print = fingerprint(object, &queue.interest);
            let previous = queue.lock().insert(reference.clone(), print);
            if previous != Some(print) {
                queue.wake(&reference);
            }
        }
    }

    /// A ChatbotDeployment was deleted.
    pub fn gone(&self, reference: &ObjectRef<ChatbotDeployment>) {
        for queue in &self.queues {
            queue.lock().remove(reference);
        }
    }

    /// An object with our labels was added, changed or deleted.
    pub fn child<K: Resource>(&self, child: &K) {
        let labels = child.labels();
        let (Some(instance), Some(component), Some(namespace)) = (
            labels.get(labels::INSTANCE),
            labels.get(labels::COMPONENT),
            child.meta().namespace.as_deref(),
        ) else {
            return;
        };
        let reference = ObjectRef::new(instance).within(namespace);
        for queue in &self.queues {
            if queue.interest.component == component {
                queue.wake(&reference);
            }
        }
    }

    /// A Secret was added, changed or deleted.
    pub fn secret(&self, objects: &Store<ChatbotDeployment>, namespace: &str, name: &str) {
        for object in
            objects.state_filter(|object| object.namespace().as_deref() == Some(namespace))
        {
            for queue in &self.queues {
                let references = (queue.interest.references)(&object.spec);
                let named = references.secrets.iter().any(|secret| secret == name);
                let identity = references.identity && names::identity(&object.name_any()) == name;
                if named || identity {
                    queue.wake(&ObjectRef::from_obj(object.as_ref()));
                }
            }
        }
    }

    /// A StorageClass was added, changed or deleted.
    pub fn storage_class(&self, objects: &Store<ChatbotDeployment>) {
        for object in objects.state() {
            for queue in &self.queues {
                if (queue.interest.references)(&object.spec).storage_classes {
                    queue.wake(&ObjectRef::from_obj(object.as_ref()));
                }
            }
        }
    }

    /// Everything may have changed: a watch was started again.
    pub fn everything(&self, objects: &Store<ChatbotDeployment>) {
        for object in objects.state() {
            for queue in &self.queues {
                queue.wake(&ObjectRef::from_obj(object.as_ref()));
            }
        }
    }
}

impl Queue {
    fn wake(&self, reference: &ObjectRef<ChatbotDeployment>) {
        // A closed queue is one whose controller has ended with the process.
        let _ = self.sender.unbounded_send(reference.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef<ChatbotDeployment>, u64>> {
        self.seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A number that changes when something changed that the controller cares for.
fn fingerprint(object: &ChatbotDeployment, interest: &Interest) -> u64 {
    const SUMMARY: [&str; 4] = [
        conditions::READY,
        conditions::RECONCILING,
        conditions::STALLED,
        conditions::DEGRADED,
    ];
    let mut hasher = DefaultHasher::new();
    object.uid().hash(&mut hasher);
    object.meta().generation.hash(&mut hasher);
    object.annotations().hash(&mut hasher);
    object.meta().deletion_timestamp.is_some().hash(&mut hasher);
    let nothing = ChatbotDeploymentStatus::default();
    let status = object.status.as_ref().unwrap_or(&nothing);
    for condition in &status.conditions {
        let own = interest.writes.contains(&condition.type_.as_str());
        if own || SUMMARY.contains(&condition.type_.as_str()) {
            continue;
        }
        (&condition.type_, &condition.status, &condition.reason).hash(&mut hasher);
        if interest.sums_up {
            (&condition.message, condition.observed_generation).hash(&mut hasher);
        }
    }
    // Whether a database takes writes starts the migration.
    let primary = status.components.mysql.as_ref().map(|part| &part.primary);
    if interest.component != names::MYSQL {
        primary.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    use serde_json::json;

    use super::*;

    fn object() -> ChatbotDeployment {
        serde_json::from_value(json!({
            "apiVersion": "chatbot.rs/v1alpha1", "kind": "ChatbotDeployment",
            "metadata": {"name": "shop", "namespace": "default", "generation": 1},
            "spec": {"llm": {"provider": "Groq", "apiKey": {"name": "groq"}}},
        }))
        .unwrap()
    }

    fn condition(type_: &str, reason: &str) -> Condition {
        serde_json::from_value(json!({
            "type": type_, "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    fn router() -> (Router, [UnboundedReceiver<ObjectRef<ChatbotDeployment>>; 2]) {
        let mut router = Router::default();
        let chat = router.add(Interest {
            component: "chat",
            writes: vec![conditions::CHAT_READY],
            sums_up: false,
            references: Box::new(|spec| References {
                secrets: spec
                    .llm
                    .api_key
                    .iter()
                    .map(|key| key.name.clone())
                    .collect(),
                ..References::default()
            }),
        });
        let user = router.add(Interest {
            component: "user",
            writes: vec![conditions::USER_READY],
            sums_up: false,
            references: Box::new(|_| References::default()),
        });
        (router, [chat, user])
    }

    fn drained(queue: &mut UnboundedReceiver<ObjectRef<ChatbotDeployment>>) -> usize {
        std::iter::from_fn(|| queue.try_recv().ok()).count()
    }

    #[test]
    fn a_component_is_not_woken_by_its_own_condition() {
        let (router, [mut chat, mut user]) = router();
        let mut object = object();
        router.object(&object);
        assert_eq!((drained(&mut chat), drained(&mut user)), (1, 1));
        object.status.get_or_insert_default().conditions =
            vec![condition(conditions::CHAT_READY, "Starting")];
        router.object(&object);
        assert_eq!((drained(&mut chat), drained(&mut user)), (0, 1));
    }

    #[test]
    fn a_child_wakes_its_component_only() {
        let (router, [mut chat, mut user]) = router();
        let pod: k8s_openapi::api::core::v1::Pod = serde_json::from_value(json!({
            "metadata": {"name": "x", "namespace": "default", "labels": labels::common("shop", "chat")},
        }))
        .unwrap();
        router.child(&pod);
        assert_eq!((drained(&mut chat), drained(&mut user)), (1, 0));
    }

    #[test]
    fn a_secret_wakes_those_whose_spec_names_it() {
        let (router, [mut chat, mut user]) = router();
        let (store, mut writer) = kube::runtime::reflector::store();
        writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(object()));
        router.secret(&store, "default", "groq");
        router.secret(&store, "default", "other");
        router.secret(&store, "elsewhere", "groq");
        assert_eq!((drained(&mut chat), drained(&mut user)), (1, 0));
    }
}
