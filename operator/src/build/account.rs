//! ServiceAccounts: an identity for pods, with no rights and no token.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::ObjectMeta;

use crate::child::Child;

/// A ServiceAccount whose token is not mounted.
#[must_use]
pub fn account(name: &str) -> Child {
    Child::new(&ServiceAccount {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}
