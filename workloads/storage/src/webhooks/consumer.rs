//! Makes messages of events: one for each event and each webhook that wants it, however often the event is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use chatbot_contract::events::Event;
use chatbot_runtime::events::Handler;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Webhooks, now};
use crate::store::deliveries::{DeliveryStore, Listening, NewDelivery};
use crate::store::{self, Store};

/// Events older than this make no messages, in milliseconds: messages are remembered for longer
/// ([`super::sender::KEPT`]), so an event that is told again makes none a second time.
pub const OLDEST: i64 = 6 * 24 * 60 * 60 * 1000;

/// How far the clocks of two nodes may differ, in milliseconds: what happened before a webhook was made is not told.
const CLOCKS: i64 = 5_000;

/// Messages of one transaction.
const BATCH: usize = 200;

/// The consumer of a process.
pub struct Consumer<S>(
    /// The webhooks that it makes messages for.
    pub Arc<Webhooks<S>>,
);

impl<S: Store + DeliveryStore> Handler for Consumer<S> {
    type Item = Event;
    type Error = store::Error;

    async fn handle(&self, events: &[Event]) -> Result<(), store::Error> {
        let Self(webhooks) = self;
        let now = now();
        let recent = |event: &&Event| event.time.as_millisecond() > now - OLDEST;
        let users: BTreeSet<Uuid> = events
            .iter()
            .filter(recent)
            .map(|event| event.user_id)
            .collect();
        let listening = webhooks.store.listening(&users).await?;
        let mut messages = Vec::new();
        for event in events.iter().filter(recent) {
            for webhook in listening.iter().filter(|webhook| wants(webhook, event)) {
                messages.push(message(webhook, event, now));
            }
        }
        for batch in messages.chunks(BATCH) {
            webhooks.store.add_deliveries(batch).await?;
        }
        if !messages.is_empty() {
            webhooks.added.notify_one();
        }
        Ok(())
    }
}

fn wants(webhook: &Listening, event: &Event) -> bool {
    let mut names = webhook.events.split(',');
    webhook.user_id == event.user_id
        && event.time.as_millisecond() > webhook.created_at - CLOCKS
        && (webhook.events.is_empty() || names.any(|name| name == event.kind.name()))
}

fn message(webhook: &Listening, event: &Event, now: i64) -> NewDelivery {
    NewDelivery {
        id: Uuid::now_v7(),
        webhook_id: webhook.id,
        event_id: event.id,
        kind: event.kind.name().to_owned(),
        body: body(event).to_string().into_bytes(),
        now,
    }
}

/// What is sent of an event: what it says of itself, in the form of the specification.
fn body(event: &Event) -> Value {
    let mut whole = serde_json::to_value(event).expect("an event can be written as JSON");
    let mut data = whole["payload"].take();
    for name in ["user_id", "conversation_id", "seq"] {
        data[name] = whole[name].take();
    }
    json!({"type": event.kind.name(), "timestamp": event.time, "data": data})
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use chatbot_contract::events::{Event, Kind, VERSION};
    use uuid::Uuid;

    use super::{body, wants};
    use crate::store::deliveries::Listening;

    fn event(kind: Kind) -> Event {
        Event {
            id: Uuid::from_u128(1),
            version: VERSION,
            time: "2026-01-02T03:04:05.006Z".parse().unwrap(),
            user_id: Uuid::from_u128(2),
            conversation_id: Uuid::from_u128(3),
            seq: 7,
            kind,
        }
    }

    /// What receivers read: a change of an expectation here breaks them.
    #[test]
    fn a_body_is_the_one_that_was_promised() {
        let deleted = body(&event(Kind::ConversationDeleted {})).to_string();
        let expected = r#"{"data":{"conversation_id":"00000000-0000-0000-0000-000000000003","seq":7,"user_id":"00000000-0000-0000-0000-000000000002"},"timestamp":"2026-01-02T03:04:05.006Z","type":"conversation.deleted"}"#;
        assert_eq!(deleted, expected);
        let message = body(&event(Kind::MessageCreated {
            message_id: Uuid::from_u128(4),
            turn_id: Uuid::from_u128(5),
        }));
        assert_eq!(
            message["data"]["message_id"],
            Uuid::from_u128(4).to_string()
        );
        assert_eq!(message["data"]["seq"], 7);
    }

    #[test]
    fn a_webhook_wants_its_users_events_of_its_kinds_since_it_was_made() {
        let event = event(Kind::ConversationDeleted {});
        let made_at = event.time.as_millisecond();
        let listening = |user: u128, events: &str, created_at| Listening {
            id: Uuid::now_v7(),
            user_id: Uuid::from_u128(user),
            events: events.to_owned(),
            created_at,
        };
        assert!(wants(&listening(2, "", made_at), &event));
        assert!(wants(
            &listening(2, "message.created,conversation.deleted", made_at),
            &event
        ));
        assert!(!wants(&listening(2, "message.created", made_at), &event));
        assert!(!wants(&listening(9, "", made_at), &event));
        assert!(!wants(&listening(2, "", made_at + 60_000), &event));
    }
}
