//! Whose certificates are trusted: a certificate authority of one's own.

use chatbot_contract::authority::SECRET_KEY;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certificate authorities in PEM, in a Secret of the same namespace: the server's certificate must come from one of
/// them, and be for the name under which the server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAuthority {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,

    /// Key in it; as cert-manager writes it when absent.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_key() -> String {
    SECRET_KEY.to_owned()
}
