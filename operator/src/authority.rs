//! The certificate authority of a server that somebody else runs: a key of a Secret that the spec names.

use chatbot_contract::authority;
use chatbot_crds::{CertificateAuthority, SecretKey};

use crate::facts::Facts;
use crate::reason::{Problem, Reason};

/// A certificate authority, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The Secret.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// Its certificates, to notice that they changed.
    pub pem: Vec<u8>,
}

impl Authority {
    /// The authority that `field` of the spec names, if it names one.
    ///
    /// # Errors
    /// The Secret or the key is not there, or holds something else.
    pub fn of(
        facts: &Facts,
        ca: Option<&CertificateAuthority>,
        field: &str,
    ) -> Result<Option<Self>, Problem> {
        let Some(CertificateAuthority { secret_name, key }) = ca else {
            return Ok(None);
        };
        let reference = SecretKey {
            name: secret_name.clone(),
            key: key.clone(),
        };
        let pem = facts.secret_value(&reference, field)?;
        authority::check(pem).map_err(|wrong| {
            let message =
                format!("key {key} of Secret {secret_name}, which {field} names, {wrong}");
            Problem::new(Reason::CertificateInvalid, message)
        })?;
        Ok(Some(Self {
            secret: reference.name,
            key: reference.key,
            pem: pem.to_owned(),
        }))
    }
}

/// The Secrets that the spec names for one server: that of the account, and that of the authority.
#[must_use]
pub fn secrets(account: Option<&String>, ca: Option<&CertificateAuthority>) -> Vec<String> {
    let ca = ca.map(|ca| &ca.secret_name);
    account.into_iter().chain(ca).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;
    use crate::testing::{AUTHORITY, facts_with};

    fn of(secrets: &[(&str, &[(&str, &str)])]) -> Result<Option<Authority>, Problem> {
        let facts = facts_with(json!({"llm": {"provider": "Echo"}}), secrets);
        let ca = serde_json::from_value(json!({"secretName": "roots"})).unwrap();
        Authority::of(&facts, Some(&ca), "mail.ca")
    }

    #[test]
    fn it_is_the_key_that_cert_manager_writes() {
        let found = of(&[("roots", &[("ca.crt", AUTHORITY)])]).unwrap().unwrap();
        assert_eq!((&*found.secret, &*found.key), ("roots", "ca.crt"));
        assert_eq!(found.pem, AUTHORITY.as_bytes());
    }

    #[test]
    fn what_is_missing_or_no_certificate_is_told_with_its_place() {
        let problem = of(&[]).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretMissing);
        let problem = of(&[("roots", &[("tls.crt", AUTHORITY)])]).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretKeyMissing);
        let problem = of(&[("roots", &[("ca.crt", "hunter2")])]).unwrap_err();
        assert_eq!(problem.reason, Reason::CertificateInvalid);
        let begin = "key ca.crt of Secret roots, which mail.ca names, holds no certificate";
        assert!(problem.message.starts_with(begin), "{problem}");
        assert!(!problem.message.contains("hunter2"), "{problem}");
    }
}
