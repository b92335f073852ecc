//! Settings every workload has, and the way secrets are read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatbot_contract::{DRAIN_SECONDS, environment};

/// What every workload is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Address of the interface.
    #[arg(long, env = environment::LISTEN, default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address of probes, metrics and report.
    #[arg(long, env = environment::ADMIN_LISTEN, default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,
    /// Filter for log lines, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = environment::LOG, default_value = "info")]
    pub log: String,
    /// Seconds to keep serving after a stop was asked for.
    #[arg(long, env = environment::DRAIN_SECONDS, default_value_t = DRAIN_SECONDS)]
    pub drain_seconds: u64,
}

impl Common {
    /// How long to keep serving after a stop was asked for.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// A setting that cannot be used; the message names the variable and says what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("failed to read {}, which {variable} names", .path.display())]
    Read {
        /// The environment variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A value has the wrong form.
    #[error("{variable} is not usable: {problem}")]
    Invalid {
        /// The environment variable.
        variable: &'static str,
        /// What is wrong and what is expected; never a secret.
        problem: String,
    },
}

impl ConfigError {
    /// Says that the value of `variable` has the wrong form.
    #[must_use]
    pub fn invalid(variable: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            variable,
            problem: problem.into(),
        }
    }
}

/// Reads the text of the file that `variable` names, without line ends at its end.
///
/// # Errors
/// Fails when the file cannot be read, is not UTF-8, or is empty.
pub fn secret_text(variable: &'static str, path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        variable,
        path: path.to_owned(),
        source,
    })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(ConfigError::invalid(
            variable,
            format!("{} is empty", path.display()),
        ));
    }
    Ok(text.to_owned())
}

/// Reads a key of 32 bytes, in base64, from the file that `variable` names.
///
/// # Errors
/// Fails when the file cannot be read or holds something else.
pub fn secret_key(variable: &'static str, path: &Path) -> Result<[u8; 32], ConfigError> {
    STANDARD
        .decode(secret_text(variable, path)?)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .ok_or_else(|| {
            let problem = format!("{} must hold 32 bytes in base64", path.display());
            ConfigError::invalid(variable, problem)
        })
}

/// Reads a JSON document from the file that `variable` names.
///
/// # Errors
/// Fails when the file cannot be read or is not such a document.
pub fn secret_json<T: serde::de::DeserializeOwned>(
    variable: &'static str,
    path: &Path,
) -> Result<T, ConfigError> {
    serde_json::from_str(&secret_text(variable, path)?).map_err(|error| {
        // serde's message may quote a value; the place alone gives nothing away.
        let (line, column) = (error.line(), error.column());
        let problem = format!(
            "{} is not the expected JSON, at {line}:{column}",
            path.display()
        );
        ConfigError::invalid(variable, problem)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::{secret_json, secret_key, secret_text};

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_secret_is_read_without_its_line_end() {
        assert_eq!(secret_text("X_FILE", file("abc\n").path()).unwrap(), "abc");
    }

    #[test]
    fn a_missing_or_empty_secret_names_its_variable() {
        let missing = secret_text("X_FILE", "/nowhere/x".as_ref()).unwrap_err();
        assert!(missing.to_string().contains("X_FILE"), "{missing}");
        let empty = secret_text("X_FILE", file("\n").path()).unwrap_err();
        assert!(empty.to_string().contains("X_FILE"), "{empty}");
    }

    #[test]
    fn a_key_has_32_bytes() {
        let good = file("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
        assert_eq!(secret_key("X_FILE", good.path()).unwrap()[31], 31);
        assert!(secret_key("X_FILE", file("AAEC").path()).is_err());
        assert!(secret_key("X_FILE", file("not base64").path()).is_err());
    }

    #[test]
    fn an_error_about_a_json_secret_does_not_quote_it() {
        let error = secret_json::<u8>("X_FILE", file("\"hunter2\"").path()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
