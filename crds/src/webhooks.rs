//! Where the webhooks of users may be.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Rules of webhooks.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.allowedNetworks) || self.allowedNetworks.all(n, n.matches('^([0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}|[0-9A-Fa-f:]+/[0-9]{1,3})$'))").message("webhooks.allowedNetworks must be networks such as 10.20.0.0/16 or fd00:20::/32")
)]
pub struct WebhooksSpec {
    /// Networks (CIDR) that webhooks may be in although they are not part of the public internet: every user can have
    /// requests sent to whatever is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::networks")]
    pub allowed_networks: Vec<String>,

    /// Whether webhooks may be at `http` addresses, too: what is sent is signed, and can be read on its way.
    #[serde(default)]
    pub allow_http: bool,
}
