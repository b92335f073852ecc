//! An object that shall exist: what a component builds, and the apply step applies.

use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::core::ApiResource;
use serde::Serialize;
use serde_json::Value;

/// A namespaced object that shall exist, as far as we set its fields.
///
/// Namespace, common labels and the owner reference are added when it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub resource: ApiResource,
    /// Its name.
    pub name: String,
    /// Its fields.
    pub body: Value,
}

impl Child {
    /// Wraps a typed object, which must have a name.
    ///
    /// # Panics
    /// When the object has no name or cannot be written as JSON: an error of the builder.
    #[must_use]
    pub fn new<K>(object: &K) -> Self
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
    {
        Self {
            resource: ApiResource::erase::<K>(&()),
            name: object
                .meta()
                .name
                .clone()
                .expect("a builder names its object"),
            body: serde_json::to_value(object).expect("a Kubernetes object is valid JSON"),
        }
    }
}
