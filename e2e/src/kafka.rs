//! Kafka as an administrator sees it: a consumer in a member's pod.

use std::collections::{BTreeMap, BTreeSet};

use chatbot_contract::events::{Event, Kind, TOPIC_PREFIX, Topic};
use chatbot_contract::identity::kafka_password;
use chatbot_contract::kafka::MEMBER_ACCOUNT;
use chatbot_contract::ports;
use chatbot_testkit::history::read::Readable;
use uuid::Uuid;

use crate::system::KAFKA;
use crate::{Error, Result, System, wait};

/// Reads a topic from its beginning to its end. Java needs no more memory for it than a pod has to spare.
const READ: &str = r#"
read -r password
cat >/tmp/reader.properties <<END
security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="$2" password="$password";
END
exec java -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Dorg.apache.logging.log4j.level=OFF -cp '/opt/kafka/libs/*' \
    org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$0" --topic "$1" --from-beginning \
    --timeout-ms 5000 --command-config /tmp/reader.properties 2>/tmp/reader.log
"#;

/// The member that leads the quorum.
///
/// # Errors
/// The status names none.
pub async fn leader(system: &System) -> Result<String> {
    system
        .get()
        .await?
        .status
        .and_then(|status| status.components.kafka?.primary)
        .ok_or_else(|| Error::Wrong("the status names no Kafka leader".to_owned()))
}

/// Everything that stands in the topic of events, in order within each conversation.
///
/// # Errors
/// The topic cannot be read, or holds something that is no event.
pub async fn events(system: &System) -> Result<Vec<Event>> {
    let member = leader(system).await?;
    let password = system.identity(&kafka_password(MEMBER_ACCOUNT)).await?;
    let server = format!("{member}:{}", ports::KAFKA_MEMBERS);
    let topic = Topic::Events.name(TOPIC_PREFIX);
    let script = [READ, &server, &topic, MEMBER_ACCOUNT];
    let text = system
        .exec(&member, KAFKA, &script, &format!("{password}\n"))
        .await?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| Error::Wrong(format!("{line:?} is no event: {error}")))
        })
        .collect()
}

/// Waits until everything that can be read has been told: each message by one event, however often that stands
/// there, and those of a conversation in its order.
///
/// # Errors
/// A message was told by two events or out of order, or not at all within the limit.
pub async fn everything_was_told(system: &System, readable: &[Readable]) -> Result<()> {
    wait::asking("every message to be told", wait::LONG, async || {
        let events = events(system).await?;
        Ok(match missing(&events, readable)? {
            Some(missing) => Err(format!("{} events, none of {missing}", events.len())),
            None => Ok(()),
        })
    })
    .await
}

/// The first message that no event tells of.
fn missing(events: &[Event], readable: &[Readable]) -> Result<Option<Uuid>> {
    let mut by_message: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
    let mut order: BTreeMap<Uuid, Vec<u64>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for event in events {
        let message = match &event.kind {
            Kind::MessageCreated { message_id, .. } | Kind::AnswerCreated { message_id, .. } => {
                *message_id
            }
            _ => continue,
        };
        by_message.entry(message).or_default().insert(event.id);
        if seen.insert(event.id) {
            order
                .entry(event.conversation_id)
                .or_default()
                .push(event.seq);
        }
    }
    for (conversation, messages) in readable.iter().flat_map(|readable| &readable.conversations) {
        for message in messages {
            match by_message.get(&message.id).map_or(0, BTreeSet::len) {
                0 => return Ok(Some(message.id)),
                1 => {}
                many => {
                    return Err(Error::Wrong(format!(
                        "message {} is told by {many} events",
                        message.id
                    )));
                }
            }
        }
        let order = order
            .get(conversation)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !order.is_sorted() {
            return Err(Error::Wrong(format!(
                "conversation {conversation} is told as {order:?}"
            )));
        }
    }
    Ok(None)
}
