//! E-mail addresses: what is taken for one, and when two are the same.

use crate::error::Error;

/// Longest address, in characters (RFC 5321 section 4.5.3.1.3, without its angle brackets).
const LONGEST: usize = 254;

/// Longest part before the `@`, in bytes (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

/// An e-mail address that can be one; whether it is, only a mail to it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Takes an address.
    ///
    /// # Errors
    /// Fails when it cannot be one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if looks_right(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Field {
            param: "email",
            message: "this is not an e-mail address: write it as name@example.org, at most 254 characters",
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What addresses are compared by: without case. The part before the `@` could differ by case
    /// (RFC 5321 section 2.4), but nobody's does, and people type it as they like.
    #[must_use]
    pub fn key(&self) -> String {
        // A lowercase letter can be longer than its capital; then it is cut nowhere, it is refused.
        self.0.to_lowercase()
    }
}

fn looks_right(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || c == '@')
    };
    text.chars().count() <= LONGEST
        && text.to_lowercase().chars().count() <= LONGEST
        && local.len() <= LONGEST_LOCAL
        && plain(local)
        && plain(domain)
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::Email;

    #[test]
    fn an_address_is_compared_without_case_and_kept_as_written() {
        let email = Email::parse(" Ada@Example.org ").unwrap();
        assert_eq!(
            (email.as_str(), email.key().as_str()),
            ("Ada@Example.org", "ada@example.org")
        );
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        let long = format!("a@{}.org", "b".repeat(250));
        for bad in [
            "", "a", "@b", "a@", "a b@c", "a@b@c", "a@.b", "a@b.", "a@-b", "a\n@b", &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        for good in ["a@b", "a.b+c@d.example", "ä@ö.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
    }
}
