//! How a workload reads events: it follows the log, skips what it does not know, and sets aside
//! what it cannot handle.

use std::sync::Arc;

use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Kind, Topic, Unreadable, VERSION, dead};
use futures::StreamExt as _;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::Deserialize;

use super::{Entry, EventLog, Record};
use crate::metrics::Metrics;
use crate::telemetry;

/// What became of the records that were read. Clones share the numbers.
#[derive(Clone, Default)]
pub struct Consumed {
    handled: Counter,
    skipped: Counter,
    dead: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Consumed {
    /// Registers the numbers.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let consumed = Self::default();
        metrics.register(|registry| {
            registry.register(
                "events_handled",
                "Events read from the log and handled",
                consumed.handled.clone(),
            );
            registry.register(
                "events_skipped",
                "Events of a kind that a newer release tells",
                consumed.skipped.clone(),
            );
            registry.register(
                "events_dead_lettered",
                "Records set aside on the topic of dead letters",
                consumed.dead.clone(),
            );
        });
        consumed
    }
}

/// Reads events for ever and gives each to `handle`; `following` is called when the first position
/// is known. A record that is no event of this version goes to the topic of dead letters.
pub async fn consume(
    log: Arc<dyn EventLog>,
    consumer: Workload,
    consumed: Consumed,
    following: impl FnOnce(),
    mut handle: impl FnMut(Event),
) {
    let mut entries = log.follow(Topic::Events).await;
    following();
    while let Some(entry) = entries.next().await {
        match read(&entry.record.payload) {
            Ok(Some(event)) => {
                handle(event);
                consumed.handled.inc();
            }
            Ok(None) => {
                consumed.skipped.inc();
            }
            Err((reason, problem)) => {
                let reason_name = reason.name();
                let labels = Reason {
                    reason: reason_name,
                };
                consumed.dead.get_or_create(&labels).inc();
                set_aside(log.as_ref(), consumer.name(), entry, reason, problem).await;
            }
        }
    }
}

/// Makes an event of a record; nothing of one whose kind a newer release has added.
pub(super) fn read(payload: &[u8]) -> Result<Option<Event>, (Unreadable, String)> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
        #[serde(rename = "type")]
        kind: String,
    }
    // serde's message may quote the content; the place is enough to find it.
    let malformed = |error: serde_json::Error| {
        let problem = format!("no event, at {}:{}", error.line(), error.column());
        (Unreadable::Malformed, problem)
    };
    let head: Head = serde_json::from_slice(payload).map_err(malformed)?;
    if head.version != VERSION {
        let problem = format!(
            "version {} where this release reads version {VERSION}",
            head.version
        );
        return Err((Unreadable::UnknownVersion, problem));
    }
    if !Kind::NAMES.contains(&head.kind.as_str()) {
        return Ok(None);
    }
    serde_json::from_slice(payload).map(Some).map_err(malformed)
}

/// Puts a record on the topic of dead letters.
pub(super) async fn set_aside(
    log: &dyn EventLog,
    consumer: &str,
    entry: Entry,
    reason: Unreadable,
    problem: String,
) {
    let Entry { record, origin } = entry;
    tracing::error!(
        reason = reason.name(),
        origin,
        problem,
        "a record cannot be handled and is set aside"
    );
    let headers = vec![
        (dead::REASON.to_owned(), reason.name().to_owned()),
        (dead::PROBLEM.to_owned(), problem),
        (dead::CONSUMER.to_owned(), consumer.to_owned()),
        (dead::ORIGIN.to_owned(), origin.clone()),
    ];
    let results = log
        .append(Topic::DeadLetters, vec![Record { headers, ..record }])
        .await;
    for error in results.into_iter().filter_map(Result::err) {
        // It is still in the topic of events, at its origin, as long as that keeps it.
        tracing::error!(
            error = telemetry::chain(&error),
            origin,
            "a dead letter could not be written"
        );
    }
}

#[cfg(test)]
mod tests {
    use chatbot_contract::events::Unreadable;

    use super::read;

    const EVENT: &str = r#"{"id":"00000000-0000-0000-0000-000000000001","version":1,"time":"2026-01-02T03:04:05Z",
        "user_id":"00000000-0000-0000-0000-000000000002","conversation_id":"00000000-0000-0000-0000-000000000003",
        "seq":7,"type":"conversation.deleted","payload":{}}"#;

    #[test]
    fn an_event_is_read_and_an_unknown_kind_is_skipped() {
        assert!(matches!(read(EVENT.as_bytes()), Ok(Some(_))));
        let newer = EVENT.replace("conversation.deleted", "conversation.renamed");
        assert!(matches!(read(newer.as_bytes()), Ok(None)));
    }

    #[test]
    fn another_version_and_what_is_no_event_cannot_be_handled() {
        let newer = EVENT.replace(r#""version":1"#, r#""version":2"#);
        assert!(matches!(
            read(newer.as_bytes()),
            Err((Unreadable::UnknownVersion, _))
        ));
        let broken = EVENT.replace(r#""seq":7"#, r#""seq":"secret""#);
        for payload in [broken.as_bytes(), b"", b"{}", &[0xff]] {
            let Err((Unreadable::Malformed, problem)) = read(payload) else {
                panic!("{payload:?} was read");
            };
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
