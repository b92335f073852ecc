//! A certificate authority for tests, and the certificates of servers that run on 127.0.0.1.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a server shows.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its key, in PEM (PKCS#8).
    pub key: String,
}

impl Authority {
    /// Makes one that nobody knows yet.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, "Test authority");
        let certificate = parameters.self_signed(&key);
        Self {
            pem: certificate.expect("its parameters are right").pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// Its certificate, in PEM: what those who trust it are given.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Makes the certificate of a server that is reached as 127.0.0.1, and by no name.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        let key = KeyPair::generate().expect("a key can be made");
        let parameters = CertificateParams::new(["127.0.0.1".to_owned()]);
        let parameters = parameters.expect("it is an address");
        let certificate = parameters.signed_by(&key, &self.issuer);
        Certificate {
            certificate: certificate.expect("its parameters are right").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// What a client trusts and how it calls the server, and whether it may go on then.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Name or address by which it calls the server.
    pub host: &'static str,
    /// The authority it was given, in PEM; nothing: those of the system.
    pub authority: Option<String>,
    /// Whether this is the server it means.
    pub right: bool,
}

impl Authority {
    /// Clients of a server with a [certificate](Self::certificate) of this authority: one that trusts it, and those who
    /// trust another, only the system's, or the right one and call the server by a name that is not its own.
    #[must_use]
    pub fn clients(&self) -> [Trust; 4] {
        let trust = |host, authority: Option<&str>, right| Trust {
            host,
            authority: authority.map(str::to_owned),
            right,
        };
        [
            trust("127.0.0.1", Some(self.pem()), true),
            trust("127.0.0.1", Some(Self::new().pem()), false),
            trust("127.0.0.1", None, false),
            trust("localhost", Some(self.pem()), false),
        ]
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificate {
    /// The configuration of a server that shows it.
    ///
    /// # Panics
    /// Never: the certificate was made here.
    #[must_use]
    pub fn server(&self) -> std::sync::Arc<rustls::ServerConfig> {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("it is PEM");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("it is PEM");
        let provider = rustls::crypto::ring::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key is the certificate's");
        config.into()
    }
}
