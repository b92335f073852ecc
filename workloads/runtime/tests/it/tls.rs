//! Servers behind TLS whose certificates come from an authority of their owner's: who is trusted, and what is told of
//! the others.

use std::time::Duration;

use chatbot_contract::events::Topic;
use chatbot_contract::report::{Dependency, DependencyState};
use chatbot_runtime::events::{KafkaLog, KafkaSettings, Mechanism};
use chatbot_runtime::tls::Authority;
use chatbot_runtime::{mysql, redis};
use chatbot_testkit::certificates::{self, Trust};
use chatbot_testkit::kafka::{self, Kafka};
use chatbot_testkit::tap::Tap;
use chatbot_testkit::{mysql as real_mysql, redis as real_redis};
use tempfile::NamedTempFile;

/// How long something may take that should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

fn file(content: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn roots(trust: &Trust) -> Option<NamedTempFile> {
    trust.authority.as_deref().map(file)
}

fn use_ring() {
    // It may be there already, from another test.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn check(trust: &Trust, seen: &Dependency) {
    if trust.right {
        assert_eq!(seen.state, DependencyState::Ok, "{}", seen.message);
    } else {
        assert_eq!(seen.state, DependencyState::Failing, "{trust:?} {seen:?}");
        assert!(seen.message.contains("certificate"), "{}", seen.message);
    }
}

fn nothing_was_readable(tap: &Tap, words: &str) {
    assert_eq!(tap.heard(words.as_bytes()), (true, false));
}

fn redis_at(
    host: &str,
    port: u16,
    ca: Option<&NamedTempFile>,
    password: &NamedTempFile,
) -> redis::Redis {
    redis::Redis::new(redis::Config {
        hosts: vec![format!("{host}:{port}").parse().unwrap()],
        topology: redis::Topology::Single,
        user: Some(chatbot_contract::redis::WORKLOAD_ACCOUNT.to_owned()),
        password_file: Some(password.path().to_owned()),
        tls: true,
        ca_file: ca.map(|file| file.path().to_owned()),
    })
    .unwrap()
}

#[tokio::test]
async fn redis_is_used_only_with_a_certificate_that_is_trusted() {
    use_ring();
    let authority = certificates::Authority::new();
    let server = real_redis::Redis::start_with_tls(&authority.certificate())
        .await
        .unwrap();
    let password = file(real_redis::PASSWORD);
    for trust in authority.clients() {
        let tap = Tap::before(format!("127.0.0.1:{}", server.tls_port()))
            .await
            .unwrap();
        let roots = roots(&trust);
        let redis = redis_at(trust.host, tap.port(), roots.as_ref(), &password);
        check(&trust, &redis.look().await);
        nothing_was_readable(&tap, real_redis::PASSWORD);
    }
}

#[tokio::test]
async fn a_redis_without_tls_is_told_nothing() {
    use_ring();
    let server = real_redis::Redis::start().await.unwrap();
    let tap = Tap::before(server.address()).await.unwrap();
    let roots = file(certificates::Authority::new().pem());
    let password = file(real_redis::PASSWORD);
    let seen = redis_at("127.0.0.1", tap.port(), Some(&roots), &password)
        .look()
        .await;
    // It waits for the end of a line that does not come.
    assert_eq!(seen.state, DependencyState::Unreachable, "{}", seen.message);
    nothing_was_readable(&tap, real_redis::PASSWORD);
}

#[tokio::test]
async fn a_file_that_holds_no_authority_is_told_in_the_report() {
    use_ring();
    let (broken, password) = (file("hunter2"), file("x"));
    let redis = redis_at("127.0.0.1", 1, Some(&broken), &password)
        .look()
        .await;
    let mysql = mysql_at("127.0.0.1", 1, Some(&broken), &password, ["x"; 2])
        .look()
        .await;
    for seen in [redis, mysql] {
        assert_eq!(seen.state, DependencyState::Failing, "{}", seen.message);
        assert!(
            seen.message.contains("holds no certificate"),
            "{}",
            seen.message
        );
        assert!(seen.message.contains("_CA_FILE"), "{}", seen.message);
    }
}

fn mysql_at(
    host: &str,
    port: u16,
    ca: Option<&NamedTempFile>,
    password: &NamedTempFile,
    [user, schema]: [&str; 2],
) -> mysql::Database {
    mysql::Database::new(mysql::Config {
        hosts: vec![format!("{host}:{port}").parse().unwrap()],
        topology: mysql::Topology::Single,
        user: user.to_owned(),
        password_file: password.path().to_owned(),
        tls: mysql::Tls::Verified,
        ca_file: ca.map(|file| file.path().to_owned()),
        schema: schema.to_owned(),
        deadline: Duration::from_secs(5),
    })
}

#[tokio::test]
async fn mysql_is_used_only_with_a_certificate_that_is_trusted() {
    use_ring();
    let authority = certificates::Authority::new();
    let server = real_mysql::Mysql::start_with_tls(&authority.certificate())
        .await
        .unwrap();
    let database = server.database().await.unwrap();
    let password = file(&database.password);
    for trust in authority.clients() {
        let tap = Tap::before(server.address()).await.unwrap();
        let roots = roots(&trust);
        let way = mysql_at(
            trust.host,
            tap.port(),
            roots.as_ref(),
            &password,
            [&database.user, &database.schema],
        );
        // A server that has just begun may take longer to answer than it is given.
        let answers = async {
            loop {
                let seen = way.look().await;
                if seen.state != DependencyState::Unreachable {
                    return seen;
                }
            }
        };
        let seen = tokio::time::timeout(PATIENCE, answers).await.unwrap();
        check(&trust, &seen);
        nothing_was_readable(&tap, &database.user);
    }
}

fn kafka_at(servers: String, authority: Option<Authority>) -> KafkaLog {
    KafkaLog::new(KafkaSettings {
        bootstrap_servers: servers,
        user: kafka::USER.to_owned(),
        password: kafka::PASSWORD.to_owned(),
        mechanism: Mechanism::ScramSha512,
        tls: true,
        authority,
        topic_prefix: "tls".to_owned(),
    })
    .unwrap()
}

fn authority(file: Option<&NamedTempFile>) -> Option<Authority> {
    Authority::read("X_CA_FILE", file.map(NamedTempFile::path), true).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_is_used_only_with_certificates_that_are_trusted() {
    let certificates = certificates::Authority::new();
    let server = Kafka::start_with_tls(&certificates.certificate())
        .await
        .unwrap();
    for trust in certificates.clients() {
        let tap = Tap::before(format!("127.0.0.1:{}", server.tls_port()))
            .await
            .unwrap();
        let roots = roots(&trust);
        let servers = format!("{}:{}", trust.host, tap.port());
        let log = kafka_at(servers, authority(roots.as_ref()));
        if trust.right {
            log.make_topics(&[Topic::Events]).await;
        }
        check(&trust, &log.look().await);
        nothing_was_readable(&tap, &format!("n={}", kafka::USER));
    }
    // The listener that speaks no TLS.
    let tap = Tap::before(server.address()).await.unwrap();
    let roots = file(certificates.pem());
    let log = kafka_at(format!("127.0.0.1:{}", tap.port()), authority(Some(&roots)));
    let seen = log.look().await;
    assert_ne!(seen.state, DependencyState::Ok, "{}", seen.message);
    nothing_was_readable(&tap, &format!("n={}", kafka::USER));
}
