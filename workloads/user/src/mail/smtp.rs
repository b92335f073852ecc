//! The way to the SMTP server, and what its refusals mean.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState};
use chatbot_runtime::telemetry;
use chatbot_runtime::tls::{self, Authority};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, Tls as Encryption, TlsParameters,
};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{Address, AsyncTransport as _, Message, Tokio1Executor};
use uuid::Uuid;

use super::letter::Letter;
use super::{Settings, Tls};

/// How long a step of the conversation may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The server.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: String,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The address or the text cannot be put into a mail.
    #[error("failed to write a mail")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server did not take it.
    #[error("the mail server did not take a mail")]
    Send(#[from] smtp::Error),
}

impl Error {
    /// Whether it is this mail that is not taken: another attempt would end the same way. What concerns the way
    /// to the server or our account (RFC 4954 section 6) passes, however long it takes.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Write(_) => true,
            Self::Send(error) => error.is_permanent() && !concerns_account(error),
        }
    }
}

impl Smtp {
    pub(super) fn new(settings: Settings) -> Result<Self, smtp::Error> {
        let Settings {
            host,
            port,
            tls,
            authority,
            from,
            account,
        } = settings;
        let encryption = match tls {
            Tls::Required => Encryption::Wrapper(parameters(&host, authority.as_ref())?),
            Tls::StartTls => Encryption::Required(parameters(&host, authority.as_ref())?),
            Tls::None => Encryption::None,
        };
        let server = format!("{host}:{port}");
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(encryption)
            .timeout(Some(TIMEOUT));
        if let Some((user, password)) = account {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            transport: transport.build(),
            from,
            server,
        })
    }

    /// Sends a mail. One that is sent again has the same `Message-ID`.
    pub(super) async fn send(&self, id: Uuid, to: &str, letter: Letter) -> Result<(), Error> {
        let to: Address = to.parse().map_err(|error| Error::Write(Box::new(error)))?;
        let message = Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text)
            .map_err(|error| Error::Write(Box::new(error)))?;
        self.transport.send(message).await?;
        Ok(())
    }

    /// Asks whether the server is there and takes our account.
    pub(super) async fn probe(&self) -> Dependency {
        match self.transport.test_connection().await {
            Ok(true) => self.works(),
            Ok(false) => self.seen(
                DependencyState::Failing,
                "it answers, and is not ready".to_owned(),
            ),
            Err(error) => self.failed(&error),
        }
    }

    fn works(&self) -> Dependency {
        self.seen(DependencyState::Ok, "it takes our mails".to_owned())
    }

    fn failed(&self, error: &smtp::Error) -> Dependency {
        let state = if concerns_account(error) {
            DependencyState::Refused
        } else if let Some(problem) = tls::problem(error) {
            let message = format!("there is no TLS with it: {problem}");
            return self.seen(DependencyState::Failing, message);
        } else if error.status().is_some() || error.is_tls() || error.is_client() {
            DependencyState::Failing
        } else {
            DependencyState::Unreachable
        };
        self.seen(state, telemetry::chain(error))
    }

    fn seen(&self, state: DependencyState, message: String) -> Dependency {
        Dependency {
            name: DependencyName::Mail,
            state,
            message: format!("{}: {message}", self.server),
        }
    }
}

/// Whom the server's certificate must come from, and for which name.
fn parameters(host: &str, authority: Option<&Authority>) -> Result<TlsParameters, smtp::Error> {
    let builder = TlsParameters::builder(host.to_owned());
    let Some(authority) = authority else {
        return builder.build();
    };
    builder
        .certificate_store(CertificateStore::None)
        .add_root_certificate(Certificate::from_pem(authority.pem())?)
        .build()
}

/// The answers to a login that does not hold (RFC 4954 section 6).
fn concerns_account(error: &smtp::Error) -> bool {
    error
        .status()
        .is_some_and(|code| ["530", "534", "535", "538"].contains(&code.to_string().as_str()))
}

#[cfg(test)]
mod tests;
