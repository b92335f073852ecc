//! Labels and annotations: how the operator finds again what it made.

use std::collections::BTreeMap;

/// Who manages an object; the operator watches only what carries [`MANAGER`] here.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`], and the first part of every field manager.
pub const MANAGER: &str = "chatbot-operator";
/// The ChatbotDeployment an object belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The component of the ChatbotDeployment.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// The application, the same on all.
pub const NAME: &str = "app.kubernetes.io/name";
/// Hash of what was last applied: an apply that would change nothing is skipped by it.
pub const APPLIED_HASH: &str = "chatbot.rs/applied-hash";
/// Hash of the configuration a pod was started with: a change rolls the pods.
pub const CONFIG_HASH: &str = "chatbot.rs/config-hash";

/// Labels of every object of a component, pods and volume claims included.
#[must_use]
pub fn common(deployment: &str, component: &str) -> BTreeMap<String, String> {
    let mut labels = selector(deployment, component);
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// Labels by which a component's pods are selected; never changed, since selectors are immutable.
#[must_use]
pub fn selector(deployment: &str, component: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME.to_owned(), "chatbot".to_owned()),
        (INSTANCE.to_owned(), deployment.to_owned()),
        (COMPONENT.to_owned(), component.to_owned()),
    ])
}

/// The text form of [`selector`].
#[must_use]
pub fn selector_text(deployment: &str, component: &str) -> String {
    selector(deployment, component)
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}
