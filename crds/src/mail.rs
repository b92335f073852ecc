//! The SMTP server that mails to users go through: somebody else's.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CertificateAuthority;

/// An SMTP server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.tls != 'None' || !has(self.secretName)").message("mail.secretName with mail.tls None would send the password as it is: set tls to StartTls or Required, or leave secretName out"),
    validation = Rule::new("self.tls != 'None' || !has(self.ca)").message("mail.ca has no use with mail.tls None, which shows no certificate: set tls to StartTls or Required, or leave ca out"),
    validation = Rule::new("self.from.matches('^([^<>@]+ <[^<>@ ]+@[^<>@ ]+>|[^<>@ ]+@[^<>@ ]+)$')").message("mail.from must be name@example.org, or Name <name@example.org>")
)]
pub struct MailSpec {
    /// Host name or address.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$")
    )]
    pub host: String,

    /// TCP port; 587 with `StartTls`, 465 with `Required`, 25 with `None` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// How the connection is encrypted; the server's certificate and its name are checked.
    #[serde(default)]
    pub tls: MailTls,

    /// Whom the server's certificate must come from; the system's roots when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,

    /// Whom mails are from.
    #[schemars(length(min = 3, max = 320))]
    pub from: String,

    /// Secret in the same namespace with the keys `username` and `password`; nobody logs in when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// How the connection to an SMTP server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MailTls {
    /// From the first byte (RFC 8314 section 3).
    Required,
    /// Before anything is said (RFC 3207); a server that cannot is not used.
    #[default]
    StartTls,
    /// Not at all.
    None,
}
