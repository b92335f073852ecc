//! The SMTP server as the user workload sees it: where it is, and with which account.

use chatbot_crds::{ChatbotDeploymentSpec, MailSpec, MailTls};

use crate::authority::{self, Authority};
use crate::engine::Account;
use crate::facts::Facts;
use crate::reason::Problem;

/// Field of the spec that names the Secret.
const SECRET_FIELD: &str = "mail.secretName";

/// Field of the spec that names the certificate authority.
const CA_FIELD: &str = "mail.ca";

/// The server and the account there.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Host name or address.
    pub host: String,
    /// TCP port, where the spec names one.
    pub port: Option<i32>,
    /// How the connection is encrypted, in the workload's word.
    pub tls: &'static str,
    /// Whom the server's certificate must come from, where the spec says it.
    pub authority: Option<Authority>,
    /// Whom mails are from.
    pub from: String,
    /// With which account, where there is one.
    pub account: Option<Account>,
}

/// The Secrets of the server.
#[must_use]
pub fn secrets(spec: &ChatbotDeploymentSpec) -> Vec<String> {
    spec.mail.as_ref().map_or_else(Vec::new, |mail| {
        authority::secrets(mail.secret_name.as_ref(), mail.ca.as_ref())
    })
}

impl Mail {
    /// The server that the spec describes; nothing where it names none.
    ///
    /// # Errors
    /// A Secret or a key is not there, or holds no certificate authority.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        let Some(mail) = &facts.spec.mail else {
            return Ok(None);
        };
        let MailSpec {
            host,
            port,
            tls,
            ca,
            from,
            secret_name,
        } = mail;
        let account = match secret_name {
            Some(secret) => Some(Account::of_secret(facts, secret, SECRET_FIELD)?),
            None => None,
        };
        Ok(Some(Self {
            host: host.clone(),
            port: *port,
            tls: match tls {
                MailTls::Required => "required",
                MailTls::StartTls => "starttls",
                MailTls::None => "none",
            },
            authority: Authority::of(facts, ca.as_ref(), CA_FIELD)?,
            from: from.clone(),
            account,
        }))
    }
}
