//! Turns over a WebSocket.

use chatbot_api::error::ErrorCode;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::behind::{Act, accepted, delta, done};
use crate::server::Gateway;

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(
        gateway: &Gateway,
        protocols: Option<String>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{}/v1/ws", gateway.address).into_client_request()?;
        if let Some(protocols) = protocols {
            request
                .headers_mut()
                .insert("sec-websocket-protocol", protocols.parse().unwrap());
        }
        Ok(Self(tokio_tungstenite::connect_async(request).await?.0))
    }

    pub(crate) async fn signed_in(gateway: &Gateway) -> Self {
        let mut socket = Self::open(gateway, None).await.unwrap();
        socket
            .send(json!({"type": "authenticate", "access_token": gateway.token()}))
            .await;
        assert_eq!(
            socket.next().await,
            json!({"type": "authenticated", "user_id": gateway.person})
        );
        socket
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame with text.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code the server closes with.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(Some(frame)) = self.0.next().await.unwrap().unwrap() {
                return frame.code.into();
            }
        }
    }

    /// The types of the frames of a turn, to its end.
    async fn turn(&mut self, id: &str) -> Vec<String> {
        let mut types = Vec::new();
        loop {
            let frame = self.next().await;
            assert_eq!(frame["id"], id);
            let kind = frame["type"].as_str().unwrap().to_owned();
            types.push(kind.clone());
            if kind == "done" || kind == "error" {
                return types;
            }
        }
    }
}

#[tokio::test]
async fn a_turn_runs_over_a_socket_and_survives_its_process() {
    let gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Break(vec![accepted(), delta("h")]),
        Act::Say(vec![accepted(), delta("hi"), done("hi")]),
    ]);
    let mut socket = Socket::signed_in(&gateway).await;
    socket
        .send(json!({"type": "chat", "id": "a", "idempotency_key": "k", "message": "hello"}))
        .await;
    assert_eq!(socket.next().await["type"], "accepted");
    assert_eq!(socket.next().await["type"], "delta");
    gateway.chat.go_on.notify_one();
    assert_eq!(socket.turn("a").await, ["restarted", "delta", "done"]);
    assert!(
        gateway
            .chat
            .seen()
            .iter()
            .all(|(user, key, _)| *user == gateway.person && key == "k")
    );
}

#[tokio::test]
async fn a_browser_sends_its_token_as_a_subprotocol() {
    let gateway = Gateway::start().await;
    let offer = |token: String| Some(format!("chatbot.v1, bearer.{token}"));
    let mut socket = Socket::open(&gateway, offer(gateway.token()))
        .await
        .unwrap();
    assert_eq!(socket.next().await["type"], "authenticated");
    let refused = Socket::open(&gateway, offer("x".to_owned())).await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(response)) if response.status() == 401));
}

#[tokio::test]
async fn nobody_asks_without_a_token() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway, None).await.unwrap();
    socket
        .send(json!({"type": "chat", "id": "a", "message": "hello"}))
        .await;
    assert_eq!(socket.closed().await, 4401);
    let mut socket = Socket::open(&gateway, None).await.unwrap();
    socket
        .send(json!({"type": "authenticate", "access_token": "x"}))
        .await;
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn a_token_is_renewed_on_the_connection_but_not_for_someone_else() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::signed_in(&gateway).await;
    socket
        .send(json!({"type": "authenticate", "access_token": gateway.token()}))
        .await;
    assert_eq!(socket.next().await["type"], "authenticated");
    let other = gateway.signer.token(Uuid::now_v7(), &[]);
    socket
        .send(json!({"type": "authenticate", "access_token": other}))
        .await;
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let gateway = Gateway::start().await;
    let exp = jsonwebtoken::get_current_timestamp() + 1;
    let mut socket = Socket::open(&gateway, None).await.unwrap();
    let token = gateway.signer.token(gateway.person, &[("exp", json!(exp))]);
    socket
        .send(json!({"type": "authenticate", "access_token": token}))
        .await;
    assert_eq!(socket.next().await["type"], "authenticated");
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn a_cancelled_turn_is_silent_and_its_name_is_free() {
    let gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Hang(vec![accepted(), delta("h")]),
        Act::Say(vec![accepted(), done("hi")]),
    ]);
    let mut socket = Socket::signed_in(&gateway).await;
    let ask = json!({"type": "chat", "id": "a", "message": "hello"});
    socket.send(ask.clone()).await;
    assert_eq!(socket.next().await["type"], "accepted");
    socket.send(ask.clone()).await;
    let mut twice = socket.next().await;
    while twice["type"] == "delta" {
        twice = socket.next().await;
    }
    assert_eq!(twice["error"]["param"], "id");
    socket.send(json!({"type": "cancel", "id": "a"})).await;
    while socket.next().await["type"] != "cancelled" {}
    let stopped = async {
        while gateway.chat.cancelled.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(10);
    tokio::time::timeout(patience, stopped).await.unwrap();
    socket.send(ask).await;
    assert_eq!(socket.turn("a").await, ["accepted", "done"]);
}

#[tokio::test]
async fn a_frame_that_is_not_understood_is_answered_and_a_binary_one_is_not() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::signed_in(&gateway).await;
    socket.send(json!({"type": "chat", "id": "a"})).await;
    let error = socket.next().await;
    assert_eq!(error["error"]["code"], json!(ErrorCode::InvalidRequest));
    socket.0.send(Message::binary(vec![0])).await.unwrap();
    assert_eq!(socket.closed().await, 1003);
}

#[tokio::test]
async fn a_stopping_gateway_ends_running_turns_and_then_says_goodbye() {
    let mut gateway = Gateway::start().await;
    gateway.chat.will([
        Act::Hang(vec![accepted()]),
        Act::Say(vec![accepted(), done("hi")]),
    ]);
    let mut idle = Socket::signed_in(&gateway).await;
    let mut busy = Socket::signed_in(&gateway).await;
    busy.send(json!({"type": "chat", "id": "a", "message": "hello"}))
        .await;
    assert_eq!(busy.next().await["type"], "accepted");
    gateway.stop();
    assert_eq!(idle.closed().await, 1001);
    gateway.chat.go_on.notify_one();
    assert_eq!(busy.turn("a").await, ["done"]);
    assert_eq!(busy.closed().await, 1001);
    gateway.ended().await;
}

#[tokio::test]
async fn a_turn_of_another_connection_is_gone_on_with() {
    let gateway = Gateway::start().await;
    gateway.chat.will([Act::Say(vec![delta("i"), done("hi")])]);
    let mut socket = Socket::signed_in(&gateway).await;
    socket
        .send(json!({"type": "resume", "id": "a", "turn_id": Uuid::nil(), "last_event_id": "1-2"}))
        .await;
    let first = socket.next().await;
    assert_eq!(
        (&first["type"], &first["event_id"]),
        (&json!("delta"), &json!("1-1"))
    );
    assert_eq!(socket.turn("a").await, ["done"]);
    let asked = gateway.chat.resumed.lock().unwrap().clone();
    assert_eq!(asked, [(Uuid::nil(), Some("1-2".to_owned()))]);
    socket
        .send(json!({"type": "resume", "id": "a", "turn_id": Uuid::nil(), "last_event_id": "x"}))
        .await;
    assert_eq!(socket.next().await["error"]["param"], "last_event_id");
}
