//! Real SMTP servers behind TLS whose certificate comes from an authority of their owner's.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use chatbot_testkit::certificates::Authority;
use chatbot_testkit::smtp::{Encryption, PASSWORD, Smtp as Server, USER};
use chatbot_testkit::tap::Tap;
use tempfile::NamedTempFile;

use super::*;
use crate::mail::Config;

/// `AUTH`, which comes before anything that is worth reading.
const LOGIN: &[u8] = b"AUTH";

fn file(content: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn way(host: &str, port: u16, mail_tls: Tls, ca: Option<&NamedTempFile>) -> Smtp {
    let password = file(PASSWORD);
    let config = Config {
        mail_host: Some(host.to_owned()),
        mail_port: Some(port),
        mail_tls,
        mail_ca_file: ca.map(|file| file.path().to_owned()),
        mail_from: Some("chat@example.org".to_owned()),
        mail_user: Some(USER.to_owned()),
        mail_password_file: Some(password.path().to_owned()),
    };
    Smtp::new(config.settings().unwrap().unwrap()).unwrap()
}

fn letter() -> Letter {
    Letter {
        subject: "Hello",
        text: "A link".to_owned(),
    }
}

async fn a_server_is_used_only_with_a_certificate_that_is_trusted(tls: Tls) {
    let authority = Authority::new();
    let [start, required] = Encryption::both(&authority.certificate());
    let encryption = if tls == Tls::StartTls {
        start
    } else {
        required
    };
    let server = Server::start_with("127.0.0.1:0", encryption).await.unwrap();
    for trust in authority.clients() {
        let tap = Tap::before(format!("127.0.0.1:{}", server.port()))
            .await
            .unwrap();
        let roots = trust.authority.as_deref().map(file);
        let smtp = way(trust.host, tap.port(), tls, roots.as_ref());
        let seen = smtp.probe().await;
        let sent = smtp.send(Uuid::now_v7(), "ada@example.org", letter()).await;
        if trust.right {
            assert_eq!(seen.state, DependencyState::Ok, "{}", seen.message);
            sent.unwrap();
            assert!(
                server
                    .mail("ada@example.org", 1)
                    .await
                    .content
                    .contains("A link")
            );
        } else {
            assert_eq!(seen.state, DependencyState::Failing, "{trust:?} {seen:?}");
            assert!(seen.message.contains("certificate"), "{}", seen.message);
            // It waits, and goes out when the server or the authority was corrected.
            assert!(!sent.unwrap_err().is_final());
        }
        assert_eq!(tap.heard(LOGIN), (true, false));
    }
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn tls_from_the_first_byte_is_with_a_server_that_is_trusted() {
    a_server_is_used_only_with_a_certificate_that_is_trusted(Tls::Required).await;
}

#[tokio::test]
async fn tls_before_anything_is_said_is_with_a_server_that_is_trusted() {
    a_server_is_used_only_with_a_certificate_that_is_trusted(Tls::StartTls).await;
}

#[tokio::test]
async fn a_server_without_tls_is_told_nothing() {
    let server = Server::start("127.0.0.1:0").await.unwrap();
    let roots = file(Authority::new().pem());
    for tls in [Tls::StartTls, Tls::Required] {
        let tap = Tap::before(format!("127.0.0.1:{}", server.port()))
            .await
            .unwrap();
        let seen = way("127.0.0.1", tap.port(), tls, Some(&roots))
            .probe()
            .await;
        assert_eq!(seen.state, DependencyState::Failing, "{}", seen.message);
        assert!(seen.message.contains("TLS"), "{}", seen.message);
        assert_eq!(tap.heard(LOGIN), (true, false));
    }
}
