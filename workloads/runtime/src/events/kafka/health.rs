//! How Kafka is, from what its clients meet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chatbot_contract::events::Topic;
use chatbot_contract::report::{Dependency, DependencyName, DependencyState};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

use super::{Error, KafkaLog};
use crate::telemetry;

/// Time between two looks while all is well.
const CALM: Duration = Duration::from_secs(5);

/// Time between two looks while it is not.
const TROUBLED: Duration = Duration::from_secs(1);

/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(4);

/// How long an error explains a failed look.
const FRESH: Duration = Duration::from_secs(10);

/// What the clients of one process have met lately. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Seen {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The last word of a broker that refused our credentials.
    refused: Option<(Instant, String)>,
    /// The last handshake of TLS that failed.
    tls: Option<(Instant, String)>,
    /// The last connection that was not made, or broke.
    broken: Option<(Instant, String)>,
    /// Why the last records were not taken.
    append: Option<String>,
    /// Why a topic could not be made.
    topics: Option<String>,
}

impl ClientContext for Seen {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters comes as an error too, and a broken connection would fill the log.
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let now = Some((Instant::now(), reason.to_owned()));
        let mut state = self.lock();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                state.refused = now;
            }
            Some(RDKafkaErrorCode::SSL) => state.tls = now,
            // It follows from the others, and says less.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            _ => state.broken = now,
        }
    }
}

impl ConsumerContext for Seen {}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether records were taken.
    pub(super) fn appended(&self, results: &[Result<(), Error>]) {
        let failed = results.iter().find_map(|result| result.as_ref().err());
        self.lock().append = failed.map(|error| telemetry::chain(error));
    }

    /// Notes why the topics cannot be made, or that they are there.
    pub(super) fn topics(&self, problem: Option<String>) {
        self.lock().topics = problem;
    }

    /// What a look means whose answer did not come.
    fn unanswered(&self, error: &KafkaError) -> (DependencyState, String) {
        let state = self.lock();
        let fresh = |seen: &Option<(Instant, String)>| {
            seen.as_ref()
                .filter(|(at, _)| at.elapsed() < FRESH)
                .map(|(_, reason)| reason.clone())
        };
        if let Some(reason) = fresh(&state.refused) {
            return (DependencyState::Refused, reason);
        }
        if let Some(reason) = fresh(&state.tls) {
            return (DependencyState::Failing, reason);
        }
        let reason = fresh(&state.broken).unwrap_or_else(|| error.to_string());
        (DependencyState::Unreachable, reason)
    }
}

impl KafkaLog {
    /// Looks at Kafka for ever, and tells `report` what it sees.
    pub async fn watch(&self, report: impl Fn(Dependency)) {
        loop {
            let seen = self.look().await;
            let pause = if seen.state == DependencyState::Ok {
                CALM
            } else {
                TROUBLED
            };
            report(seen);
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks once.
    pub async fn look(&self) -> Dependency {
        let log = self.clone();
        let looked = tokio::task::spawn_blocking(move || log.look_blocking()).await;
        let (state, message) =
            looked.unwrap_or_else(|panic| (DependencyState::Failing, panic.to_string()));
        Dependency {
            name: DependencyName::Kafka,
            state,
            message,
        }
    }

    fn look_blocking(&self) -> (DependencyState, String) {
        let name = self.topic(Topic::Events);
        let metadata = match self.producer().client().fetch_metadata(Some(&name), LIMIT) {
            Ok(metadata) => metadata,
            Err(error) => return self.inner.seen.unanswered(&error),
        };
        let missing = metadata
            .topics()
            .iter()
            .find_map(|topic| topic.error().map(RDKafkaErrorCode::from));
        let state = self.inner.seen.lock();
        let problem = match (missing, &state.topics, &state.append) {
            (_, Some(topics), _) => topics.clone(),
            (Some(error), None, _) => format!("the topic {name} cannot be used: {error}"),
            (None, None, Some(append)) => append.clone(),
            (None, None, None) => {
                let servers = &self.inner.settings.bootstrap_servers;
                return (DependencyState::Ok, format!("Kafka at {servers} answers"));
            }
        };
        (DependencyState::Failing, problem)
    }
}
