//! What users are told without asking.

use chatbot_api::conversations::{MessageOut, Role};
use chatbot_contract::events::{Event, Kind, Topic, VERSION};
use chatbot_runtime::events::{EventLog as _, Record};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::Gateway;
use crate::websocket::Socket;

/// Stores a message of `user` behind the gateway, and gives the event that tells of it.
fn stored(gateway: &Gateway, user: Uuid, content: &str) -> Event {
    let message = MessageOut {
        id: Uuid::now_v7(),
        conversation_id: Uuid::now_v7(),
        turn_id: Uuid::now_v7(),
        seq: 1,
        role: Role::User,
        content: content.to_owned(),
        model: None,
        created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let event = Event {
        id: Uuid::now_v7(),
        version: VERSION,
        time: message.created_at,
        user_id: user,
        conversation_id: message.conversation_id,
        seq: message.seq,
        kind: Kind::MessageCreated {
            message_id: message.id,
            turn_id: message.turn_id,
        },
    };
    gateway.storage.store(user, message);
    event
}

async fn tell(gateway: &Gateway, events: &[&Event]) {
    let records = events.iter().map(|event| Record {
        key: event.conversation_id.as_bytes().to_vec(),
        payload: serde_json::to_vec(event).unwrap(),
        headers: Vec::new(),
    });
    for result in gateway.log.append(Topic::Events, records.collect()).await {
        result.unwrap();
    }
}

fn content(frame: &Value) -> &str {
    assert_eq!(frame["type"], "message.created", "{frame}");
    frame["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn every_connection_of_a_user_sees_a_message_without_asking() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.events().await;
    let mut one = Socket::signed_in(&gateway).await;
    let mut other = Socket::signed_in(&gateway).await;
    let event = stored(&gateway, gateway.person, "hello");
    tell(&gateway, &[&event]).await;
    for socket in [&mut one, &mut other] {
        let frame = socket.next().await;
        assert_eq!(content(&frame), "hello");
        assert_eq!(frame["event_id"], json!(event.id));
    }
    assert_eq!(content(&stream.next().await), "hello");
}

#[tokio::test]
async fn nobody_gets_an_event_of_another_user() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.events().await;
    let mut socket = Socket::signed_in(&gateway).await;
    let others = stored(&gateway, Uuid::now_v7(), "not yours");
    // One that names this user and another one's message: storage says no.
    let forged = Event {
        id: Uuid::now_v7(),
        user_id: gateway.person,
        ..others.clone()
    };
    let own = stored(&gateway, gateway.person, "yours");
    tell(&gateway, &[&others, &forged, &own]).await;
    assert_eq!(content(&socket.next().await), "yours");
    assert_eq!(content(&stream.next().await), "yours");
}

#[tokio::test]
async fn an_event_that_is_told_again_changes_nothing() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.events().await;
    let first = stored(&gateway, gateway.person, "first");
    let second = stored(&gateway, gateway.person, "second");
    let third = stored(&gateway, gateway.person, "third");
    tell(&gateway, &[&first, &second]).await;
    tell(&gateway, &[&first, &second, &third]).await;
    for expected in ["first", "second", "third"] {
        assert_eq!(content(&stream.next().await), expected);
    }
}

#[tokio::test]
async fn a_deleted_conversation_is_told_and_its_messages_are_not() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.events().await;
    let message = stored(&gateway, gateway.person, "gone");
    gateway.storage.forget();
    let deleted = Event {
        id: Uuid::now_v7(),
        seq: 2,
        kind: Kind::ConversationDeleted {},
        ..message.clone()
    };
    tell(&gateway, &[&message, &deleted]).await;
    let event = stream.next().await;
    assert_eq!(event["type"], "conversation.deleted");
    assert_eq!(event["conversation_id"], json!(message.conversation_id));
}

#[tokio::test]
async fn a_stream_needs_a_token_and_ends_with_it() {
    let gateway = Gateway::start().await;
    let url = gateway.url("/v1/events");
    let refused = gateway.http.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let exp = jsonwebtoken::get_current_timestamp() + 1;
    let token = gateway.signer.token(gateway.person, &[("exp", json!(exp))]);
    let stream = gateway
        .http
        .get(&url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    // To its end.
    stream.bytes().await.unwrap();
}

#[tokio::test]
async fn a_stopping_gateway_ends_streams() {
    let mut gateway = Gateway::start().await;
    let stream = gateway.get("/v1/events").send().await.unwrap();
    gateway.stop();
    stream.bytes().await.unwrap();
    gateway.ended().await;
}
