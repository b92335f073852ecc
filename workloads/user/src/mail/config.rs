//! The settings of mails.

use std::path::PathBuf;

use chatbot_contract::environment;
use chatbot_runtime::config::{ConfigError, secret_text};
use chatbot_runtime::tls::Authority;
use lettre::message::Mailbox;

/// The way to the SMTP server; without a host no mails are sent.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Host of the SMTP server; without it no mails are sent.
    #[arg(long, env = environment::MAIL_HOST)]
    pub mail_host: Option<String>,
    /// Its port; 465, 587 or 25, as the TLS has it, when absent.
    #[arg(long, env = environment::MAIL_PORT)]
    pub mail_port: Option<u16>,
    /// How the connection is encrypted.
    #[arg(long, env = environment::MAIL_TLS, value_enum, default_value_t = Tls::StartTls)]
    pub mail_tls: Tls,
    /// File with the certificate authorities that the certificate is checked with; absent: the system's roots.
    #[arg(long, env = environment::MAIL_CA_FILE)]
    pub mail_ca_file: Option<PathBuf>,
    /// Whom mails are from: `name@example.org`, or `Name <name@example.org>`.
    #[arg(long, env = environment::MAIL_FROM)]
    pub mail_from: Option<String>,
    /// Account of the SMTP server; without it nobody logs in.
    #[arg(long, env = environment::MAIL_USER)]
    pub mail_user: Option<String>,
    /// File with the account's password.
    #[arg(long, env = environment::MAIL_PASSWORD_FILE)]
    pub mail_password_file: Option<PathBuf>,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tls {
    /// From the first byte (RFC 8314 section 3).
    Required,
    /// Before anything is said (RFC 3207); a server that cannot is not used.
    #[default]
    #[value(name = "starttls")]
    StartTls,
    /// Not at all.
    None,
}

impl Tls {
    const fn port(self) -> u16 {
        match self {
            Self::Required => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// Settings that were checked.
#[derive(Clone)]
pub struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    /// Whom the certificate must come from; nothing: those whom the system trusts.
    pub(super) authority: Option<Authority>,
    pub(super) from: Mailbox,
    /// Account and password.
    pub(super) account: Option<(String, String)>,
}

impl Config {
    /// Checks the settings; `None` where no mails are sent.
    ///
    /// # Errors
    /// A sender that is missing or none, an account without a password, a file that cannot be read, a certificate
    /// authority that cannot be used.
    pub fn settings(self) -> Result<Option<Settings>, ConfigError> {
        let Self {
            mail_host,
            mail_port,
            mail_tls,
            mail_ca_file,
            mail_from,
            mail_user,
            mail_password_file,
        } = self;
        let Some(host) = mail_host.filter(|host| !host.is_empty()) else {
            return Ok(None);
        };
        let from = mail_from.unwrap_or_default().parse().map_err(|_| {
            let problem = "write name@example.org, or Name <name@example.org>";
            ConfigError::invalid(environment::MAIL_FROM, problem)
        })?;
        let account = match (mail_user, mail_password_file) {
            (Some(user), Some(file)) => {
                Some((user, secret_text(environment::MAIL_PASSWORD_FILE, &file)?))
            }
            (None, None) => None,
            _ => {
                let problem = "an account has a name and a password: give both, or none";
                return Err(ConfigError::invalid(environment::MAIL_USER, problem));
            }
        };
        Ok(Some(Settings {
            host,
            port: mail_port.unwrap_or(mail_tls.port()),
            tls: mail_tls,
            authority: Authority::read(
                environment::MAIL_CA_FILE,
                mail_ca_file.as_deref(),
                mail_tls != Tls::None,
            )?,
            from,
            account,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::{Config, Tls};

    fn config(from: &str) -> Config {
        Config {
            mail_host: Some("mail.example.org".to_owned()),
            mail_from: Some(from.to_owned()),
            ..Config::default()
        }
    }

    #[test]
    fn without_a_host_no_mails_are_sent() {
        assert!(Config::default().settings().unwrap().is_none());
        let empty = Config {
            mail_host: Some(String::new()),
            ..Config::default()
        };
        assert!(empty.settings().unwrap().is_none());
    }

    #[test]
    fn the_port_is_that_of_the_encryption() {
        for (mail_tls, port) in [(Tls::Required, 465), (Tls::StartTls, 587), (Tls::None, 25)] {
            let config = Config {
                mail_tls,
                ..config("Chat <chat@example.org>")
            };
            assert_eq!(config.settings().unwrap().unwrap().port, port);
        }
    }

    #[test]
    fn a_sender_is_an_address_and_an_account_has_a_password() {
        assert!(config("chat@example.org").settings().is_ok());
        assert!(config("chat").settings().is_err());
        let half = Config {
            mail_user: Some("chat".to_owned()),
            ..config("chat@example.org")
        };
        assert!(half.settings().is_err());
    }
}
