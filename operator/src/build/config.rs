//! A ConfigMap with the one file that a person's settings of an engine are.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use sha2::{Digest as _, Sha256};

use crate::apply::hex;
use crate::child::Child;

/// The ConfigMap.
pub fn config(name: String, file: &str, text: &str) -> Child {
    Child::new(&ConfigMap {
        metadata: ObjectMeta {
            name: Some(name),
            ..ObjectMeta::default()
        },
        data: Some([(file.to_owned(), text.to_owned())].into()),
        ..ConfigMap::default()
    })
}

/// What changes with the text: in a pod's annotations it has the pods replaced.
pub fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}
