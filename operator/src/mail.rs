//! The SMTP server as the user workload sees it: where it is, and with which account.

use chatbot_crds::{ChatbotDeploymentSpec, MailSpec, MailTls};

use crate::engine::Account;
use crate::facts::Facts;
use crate::reason::Problem;

/// Field of the spec that names the Secret.
const SECRET_FIELD: &str = "mail.secretName";

/// The server and the account there.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Host name or address.
    pub host: String,
    /// TCP port, where the spec names one.
    pub port: Option<i32>,
    /// How the connection is encrypted, in the workload's word.
    pub tls: &'static str,
    /// Whom mails are from.
    pub from: String,
    /// With which account, where there is one.
    pub account: Option<Account>,
}

/// The Secret of the server, if there is one.
#[must_use]
pub fn secret(spec: &ChatbotDeploymentSpec) -> Option<String> {
    spec.mail.as_ref().and_then(|mail| mail.secret_name.clone())
}

impl Mail {
    /// The server that the spec describes; nothing where it names none.
    ///
    /// # Errors
    /// The Secret or a key is not there.
    pub fn of(facts: &Facts) -> Result<Option<Self>, Problem> {
        let Some(mail) = &facts.spec.mail else {
            return Ok(None);
        };
        let MailSpec {
            host,
            port,
            tls,
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
            from: from.clone(),
            account,
        }))
    }
}
