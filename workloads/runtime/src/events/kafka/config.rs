//! Where Kafka is and how to log in.

use std::path::PathBuf;

use chatbot_contract::environment;
use chatbot_contract::events::TOPIC_PREFIX;
use rdkafka::ClientConfig;

use crate::config::{ConfigError, secret_text};
use crate::tls::Authority;

/// Settings of the connection to Kafka; without servers there is none.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Servers to begin with, `host:port` separated by commas; absent: no events are told.
    #[arg(long, env = environment::KAFKA_BOOTSTRAP_SERVERS)]
    pub kafka_bootstrap_servers: Option<String>,
    /// User.
    #[arg(long, env = environment::KAFKA_USER)]
    pub kafka_user: Option<String>,
    /// File with the user's password.
    #[arg(long, env = environment::KAFKA_PASSWORD_FILE)]
    pub kafka_password_file: Option<PathBuf>,
    /// SASL mechanism.
    #[arg(long, env = environment::KAFKA_MECHANISM, value_enum, default_value_t = Mechanism::ScramSha512)]
    pub kafka_mechanism: Mechanism,
    /// Whether to speak TLS.
    #[arg(long, env = environment::KAFKA_TLS, action = clap::ArgAction::Set, default_value_t = false)]
    pub kafka_tls: bool,
    /// File with the certificate authorities that certificates are checked with; absent: the system's roots.
    #[arg(long, env = environment::KAFKA_CA_FILE)]
    pub kafka_ca_file: Option<PathBuf>,
    /// What topic names begin with.
    #[arg(long, env = environment::KAFKA_TOPIC_PREFIX, default_value = TOPIC_PREFIX)]
    pub kafka_topic_prefix: String,
}

/// How a user proves who it is (RFC 5802, RFC 7677, RFC 4616).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mechanism {
    /// Salted challenge and response with SHA-512.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
    /// Salted challenge and response with SHA-256.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The password itself.
    #[value(name = "PLAIN")]
    Plain,
}

/// A connection to Kafka, complete.
#[derive(Clone)]
pub struct Settings {
    /// Servers to begin with, `host:port` separated by commas.
    pub bootstrap_servers: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// SASL mechanism.
    pub mechanism: Mechanism,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Whom certificates must come from; nothing: those whom the system trusts.
    pub authority: Option<Authority>,
    /// What topic names begin with.
    pub topic_prefix: String,
}

impl Config {
    /// Checks that what belongs together is there, and reads the password; nothing without servers.
    ///
    /// # Errors
    /// Fails when there are servers and no user or password, or a certificate authority that cannot be used.
    pub fn settings(self) -> Result<Option<Settings>, ConfigError> {
        let Self {
            kafka_bootstrap_servers,
            kafka_user,
            kafka_password_file,
            kafka_mechanism,
            kafka_tls,
            kafka_ca_file,
            kafka_topic_prefix,
        } = self;
        let Some(bootstrap_servers) = kafka_bootstrap_servers.filter(|text| !text.is_empty())
        else {
            return Ok(None);
        };
        let missing = |variable| {
            let problem = "it is needed where Kafka's servers are given";
            ConfigError::invalid(variable, problem)
        };
        let user = kafka_user.ok_or_else(|| missing(environment::KAFKA_USER))?;
        let file = kafka_password_file.ok_or_else(|| missing(environment::KAFKA_PASSWORD_FILE))?;
        Ok(Some(Settings {
            bootstrap_servers,
            user,
            password: secret_text(environment::KAFKA_PASSWORD_FILE, &file)?,
            mechanism: kafka_mechanism,
            tls: kafka_tls,
            authority: Authority::read(
                environment::KAFKA_CA_FILE,
                kafka_ca_file.as_deref(),
                kafka_tls,
            )?,
            topic_prefix: kafka_topic_prefix,
        }))
    }
}

impl Mechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

impl Settings {
    /// What every client of ours is made with.
    pub(super) fn client(&self) -> ClientConfig {
        let protocol = if self.tls {
            "SASL_SSL"
        } else {
            "SASL_PLAINTEXT"
        };
        let mut client = ClientConfig::new();
        client
            .set("client.id", "chatbot")
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("security.protocol", protocol)
            .set("sasl.mechanism", self.mechanism.name())
            .set("sasl.username", &self.user)
            .set("sasl.password", &self.password)
            // A peer whose node is gone says nothing.
            .set("socket.keepalive.enable", "true")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("reconnect.backoff.max.ms", "2000");
        if self.tls {
            // The places where systems keep their roots: OpenSSL is linked in and knows none.
            let roots = self.authority.as_ref().map_or_else(
                || "probe".into(),
                |authority| authority.path().to_string_lossy(),
            );
            client.set("ssl.ca.location", roots);
        }
        client
    }

    /// What every consumer of ours is made with. It commits by itself, after the effect.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut consumer = self.client();
        consumer
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            // Where the place is gone (a topic made anew), what is there is better than a gap.
            .set("auto.offset.reset", "earliest")
            // For each partition, read ahead of whoever takes the records; the default is 64 MiB.
            .set("queued.max.messages.kbytes", "1024")
            // How long a broker holds a question that it has no record for. All that a client asks of a broker waits behind it.
            .set("fetch.wait.max.ms", "1000");
        consumer
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use clap::Parser as _;

    use super::Config;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        config: Config,
    }

    fn config(arguments: &[&str]) -> Config {
        Program::try_parse_from([&["x"], arguments].concat())
            .unwrap()
            .config
    }

    #[test]
    fn without_servers_there_is_no_kafka() {
        assert!(config(&[]).settings().unwrap().is_none());
        let empty = config(&["--kafka-bootstrap-servers", ""]);
        assert!(empty.settings().unwrap().is_none());
    }

    #[test]
    fn servers_need_a_user_and_a_password() {
        let Err(error) = config(&["--kafka-bootstrap-servers", "k:9092"]).settings() else {
            panic!("it was taken");
        };
        assert!(error.to_string().contains("CHATBOT_KAFKA_USER"), "{error}");
    }
}
