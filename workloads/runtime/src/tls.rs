//! Whom a connection with TLS trusts, and what is told of one that did not come about.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chatbot_contract::authority;
use rustls::CertificateError;

use crate::config::ConfigError;

/// Certificate authorities that a server's certificate must come from, instead of those that the system trusts.
#[derive(Clone, Debug)]
pub struct Authority {
    path: PathBuf,
    pem: Vec<u8>,
}

impl Authority {
    /// Reads the file that `variable` names, where it names one, for a connection that has TLS or has not.
    ///
    /// # Errors
    /// The file cannot be read or holds something else than certificates, or has no use since there is no TLS.
    pub fn read(
        variable: &'static str,
        path: Option<&Path>,
        tls: bool,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(path) = path else {
            return Ok(None);
        };
        if !tls {
            let problem = "no certificate is checked, since TLS is off: leave it out, or set TLS";
            return Err(ConfigError::invalid(variable, problem));
        }
        let pem = std::fs::read(path).map_err(|source| ConfigError::Read {
            variable,
            path: path.to_owned(),
            source,
        })?;
        authority::check(&pem).map_err(|wrong| {
            ConfigError::invalid(variable, format!("{} {wrong}", path.display()))
        })?;
        Ok(Some(Self {
            path: path.to_owned(),
            pem,
        }))
    }

    /// The file, for libraries that read it themselves.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it, in PEM.
    #[must_use]
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }
}

/// What is wrong with the server's TLS, in words for a person, when that is what `error` is about.
#[must_use]
pub fn problem(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(sentence(error));
        }
        // Neither of the two names what it holds as its source.
        let held = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|held| held as &(dyn Error + 'static))
            .or_else(|| {
                let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
                Some(shared.as_ref() as &(dyn Error + 'static))
            });
        if let Some(found) = held.and_then(problem) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn sentence(error: &rustls::Error) -> String {
    match error {
        // An authority of the same name with another key is another one.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "its certificate comes from no authority that is trusted here".to_owned(),
        rustls::Error::InvalidCertificate(
            wrong @ (CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. }),
        ) => format!("its certificate is for another name: {wrong}"),
        rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::io;

    use chatbot_testkit::certificates;

    use super::{Authority, problem};

    const VARIABLE: &str = "X_CA_FILE";

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn an_authority_is_for_connections_with_tls() {
        let file = file(certificates::Authority::new().pem());
        let read = |tls| Authority::read(VARIABLE, Some(file.path()), tls);
        assert_eq!(read(true).unwrap().unwrap().path(), file.path());
        let error = read(false).unwrap_err().to_string();
        assert!(error.contains(VARIABLE), "{error}");
        assert!(Authority::read(VARIABLE, None, false).unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_none_is_told_and_not_quoted() {
        let file = file("hunter2");
        let error = Authority::read(VARIABLE, Some(file.path()), true).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("holds no certificate"), "{error}");
        assert!(
            error.contains(VARIABLE) && !error.contains("hunter2"),
            "{error}"
        );
        let missing = Authority::read(VARIABLE, Some("/nowhere/x".as_ref()), true).unwrap_err();
        assert!(missing.to_string().contains(VARIABLE), "{missing}");
    }

    #[test]
    fn what_another_error_holds_is_found() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = io::Error::new(io::ErrorKind::InvalidData, inner);
        let told = problem(&error).unwrap();
        assert!(told.contains("no authority that is trusted"), "{told}");
        assert!(problem(&io::Error::from(io::ErrorKind::BrokenPipe)).is_none());
    }
}
