//! A document store behind TLS whose certificate comes from an authority of its owner's.

use chatbot_contract::report::DependencyState;
use chatbot_runtime::tls::Authority;
use chatbot_storage::documents::{MongoDocuments, Settings};
use chatbot_testkit::certificates;
use chatbot_testkit::documents::{self, Documents};
use chatbot_testkit::tap::Tap;

use super::backend::settings;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_used_only_with_a_certificate_that_is_trusted() {
    let authority = certificates::Authority::new();
    let server = Documents::start_with_tls(&authority.certificate())
        .await
        .unwrap();
    for trust in authority.clients() {
        let tap = Tap::before(format!("127.0.0.1:{}", server.tls_port()))
            .await
            .unwrap();
        let file = trust.authority.as_ref().map(|pem| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), pem).unwrap();
            file
        });
        let path = file.as_ref().map(tempfile::NamedTempFile::path);
        let store = MongoDocuments::new(&Settings {
            hosts: format!("{}:{}", trust.host, tap.port()),
            tls: true,
            authority: Authority::read("X_CA_FILE", path, true).unwrap(),
            ..settings(&server, "tls")
        });
        let seen = store.unwrap().look().await;
        if trust.right {
            assert_eq!(seen.state, DependencyState::Ok, "{}", seen.message);
        } else {
            assert_eq!(seen.state, DependencyState::Failing, "{trust:?} {seen:?}");
            assert!(seen.message.contains("certificate"), "{}", seen.message);
        }
        let user = format!("n={}", documents::USER);
        assert_eq!(tap.heard(user.as_bytes()), (true, false));
    }
}
