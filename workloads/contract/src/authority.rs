//! Certificate authorities that people bring in PEM: what a usable file of them is.
//!
//! The operator looks before it gives a file to a pod, a workload before it connects, so that what is wrong in it is
//! told in the same words by whoever meets it first.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Key of a Secret that holds the certificate authority, as cert-manager and `kubernetes.io/tls` have it.
pub const SECRET_KEY: &str = "ca.crt";

/// What is wrong with a file of certificate authorities.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Nothing in it is a certificate.
    #[error("holds no certificate: it must be PEM with -----BEGIN CERTIFICATE----- in it")]
    Empty,
    /// A section is no PEM.
    #[error("is not PEM from certificate {0} on: copy the file as it is, with its line ends")]
    NotPem(usize),
    /// A section is no certificate that could have signed another.
    #[error("has something else than a certificate as number {0}")]
    NotCertificate(usize),
}

/// Checks that `pem` holds certificates, and nothing broken among them.
///
/// # Errors
/// There is none, or one of them cannot be read; certificates are counted from 1.
pub fn check(pem: &[u8]) -> Result<(), AuthorityError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let number = index + 1;
        let certificate = certificate.map_err(|_| AuthorityError::NotPem(number))?;
        let added = roots.add(certificate);
        added.map_err(|_| AuthorityError::NotCertificate(number))?;
    }
    if roots.is_empty() {
        return Err(AuthorityError::Empty);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{AuthorityError, check};

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::default();
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn one_authority_or_several_are_taken() {
        let one = authority();
        assert_eq!(check(one.as_bytes()), Ok(()));
        let text = format!("# old\n{one}\n# new\n{}", authority());
        assert_eq!(check(text.as_bytes()), Ok(()));
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        assert_eq!(check(b""), Err(AuthorityError::Empty));
        assert_eq!(check(b"hunter2"), Err(AuthorityError::Empty));
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(check(key.as_bytes()), Err(AuthorityError::Empty));
        let other = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert_eq!(
            check(other.as_bytes()),
            Err(AuthorityError::NotCertificate(1))
        );
        let cut = authority().replace("-----END CERTIFICATE-----", "");
        let text = format!("{}{cut}", authority());
        assert_eq!(check(text.as_bytes()), Err(AuthorityError::NotPem(2)));
    }
}
