//! What a reconcile knows before it decides anything: the result of the dereference step.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatbot_crds::{ChatbotDeploymentSpec, ChatbotDeploymentStatus, SecretKey};

use crate::reason::{Problem, Reason};
use crate::settings::Settings;

/// The contents of a Secret.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// Everything outside a component that its [`validate`](crate::component::Component::validate) may look at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Name of the ChatbotDeployment.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its spec.
    pub spec: ChatbotDeploymentSpec,
    /// Its status, as the cache shows it.
    pub status: ChatbotDeploymentStatus,
    /// The Secrets that [`References`] asked for; `None` for one that does not exist.
    pub secrets: BTreeMap<String, Option<SecretData>>,
    /// The StorageClasses, when asked for and readable.
    pub storage_classes: Option<Vec<StorageClassFact>>,
    /// The identity Secret, when asked for and there.
    pub identity: Option<Identity>,
    /// Settings of the operator.
    pub settings: Arc<Settings>,
}

/// What a component wants to be read before it is validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Names of Secrets in the same namespace.
    pub secrets: Vec<String>,
    /// Whether the StorageClasses matter.
    pub storage_classes: bool,
    /// Whether the identity Secret matters.
    pub identity: bool,
}

/// A StorageClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClassFact {
    /// Its name.
    pub name: String,
    /// Whether claims without a class get it.
    pub default: bool,
}

/// The identity Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its contents.
    pub data: SecretData,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.data.keys()).finish()
    }
}

impl Identity {
    /// The text under a key.
    ///
    /// # Errors
    /// The identity component has not yet written it.
    pub fn text(&self, key: &str) -> Result<&str, Problem> {
        self.data
            .get(key)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                Problem::new(
                    Reason::WaitingForDependency,
                    format!("the identity Secret has no {key} yet"),
                )
            })
    }
}

impl Facts {
    /// The identity.
    ///
    /// # Errors
    /// It is not there yet.
    pub fn identity(&self) -> Result<&Identity, Problem> {
        self.identity.as_ref().ok_or_else(|| {
            Problem::new(
                Reason::WaitingForDependency,
                "the identity Secret is not there yet",
            )
        })
    }

    /// The value of one key of a Secret named in the spec.
    ///
    /// # Errors
    /// The Secret or the key is not there, or the value is empty.
    pub fn secret_value(&self, reference: &SecretKey, field: &str) -> Result<&[u8], Problem> {
        let SecretKey { name, key } = reference;
        match self.secrets.get(name) {
            Some(Some(data)) => data
                .get(key)
                .map(Vec::as_slice)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    Problem::new(
                        Reason::SecretKeyMissing,
                        format!("Secret {name} has no key {key}, which {field} names: add the key, or change {field}"),
                    )
                }),
            _ => Err(Problem::new(
                Reason::SecretMissing,
                format!("Secret {name}, which {field} names, does not exist: make it, or change {field}"),
            )),
        }
    }

    /// The image of the workloads.
    #[must_use]
    pub fn image(&self) -> &str {
        self.spec
            .image
            .as_deref()
            .unwrap_or(&self.settings.workload_image)
    }

    /// Whether the condition of another component is `True`.
    #[must_use]
    pub fn condition_is_true(&self, condition: &str) -> bool {
        self.status
            .conditions
            .iter()
            .any(|present| present.type_ == condition && present.status == "True")
    }
}
