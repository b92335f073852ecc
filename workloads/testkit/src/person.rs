//! A person who uses a chat system through its public door.

use std::time::Duration;

use chatbot_api::IDEMPOTENCY_KEY;
use chatbot_api::accounts::{LoginIn, RegisterIn, TokensOut};
use chatbot_api::conversations::{ConversationOut, MessageOut, Page};
use chatbot_api::events::UserEvent;
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use chatbot_api::usage::{DayUsageOut, UsageOut};
use eventsource_stream::Eventsource as _;
use futures::{SinkExt as _, Stream, StreamExt as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, http};
use uuid::Uuid;

/// Longest time of a request: nothing waits longer for a failover than this.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Everybody's password.
const PASSWORD: &str = "correct horse battery staple";

/// What went wrong for a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request failed.
    #[error("failed to {step}")]
    Http {
        /// What was attempted.
        step: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system refused.
    #[error("failed to {step}: {status}: {body}")]
    Refused {
        /// What was attempted.
        step: String,
        /// Status.
        status: StatusCode,
        /// Body.
        body: String,
    },
    /// What is seen is not what must be.
    #[error("{0}")]
    Wrong(String),
}

/// The result of what a person does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn http<E: std::error::Error + Send + Sync + 'static>(
        step: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let step = step.into();
        move |error| Self::Http {
            step,
            source: error.into(),
        }
    }
}

/// A person with an account.
#[derive(Clone)]
pub struct Person {
    /// Where the system is found.
    pub url: String,
    /// Address the account was made with.
    pub email: String,
    http: reqwest::Client,
    tokens: TokensOut,
}

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Status.
    pub status: StatusCode,
    /// Body.
    pub body: Value,
}

/// A client that talks to the system directly.
///
/// # Errors
/// It cannot be made.
pub fn client() -> Result<reqwest::Client> {
    // It may be installed already, by the program or another person.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .map_err(Error::http("make an HTTP client"))
}

impl Person {
    /// Makes an account.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn register(url: &str) -> Result<Self> {
        let email = format!("{}@example.org", Uuid::new_v4().simple());
        let body = RegisterIn {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: Some("A person".to_owned()),
        };
        Self::enter(url, "/v1/auth/register", &email, json!(body)).await
    }

    /// Logs in to an account that [`register`](Self::register) made.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn login(url: &str, email: &str) -> Result<Self> {
        let body = LoginIn {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
        };
        Self::enter(url, "/v1/auth/login", email, json!(body)).await
    }

    async fn enter(url: &str, path: &str, email: &str, body: Value) -> Result<Self> {
        let http = client()?;
        let request = http.post(format!("{url}{path}")).json(&body);
        let tokens = read(path, request).await?;
        Ok(Self {
            url: url.to_owned(),
            email: email.to_owned(),
            http,
            tokens,
        })
    }

    /// Asks and waits for the whole answer.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn ask(&self, conversation: Option<Uuid>, message: &str) -> Result<TurnOut> {
        read(
            "ask",
            self.chat(&Uuid::new_v4(), &question(conversation, message, false)),
        )
        .await
    }

    /// Asks under a key of one's own, so that it can be asked again.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn ask_once(&self, key: &Uuid, message: &str) -> Result<TurnOut> {
        read("ask", self.chat(key, &question(None, message, false))).await
    }

    /// Asks and collects the events of the stream.
    ///
    /// # Errors
    /// The system refuses, does not answer, or sends what is no event.
    pub async fn ask_streaming(
        &self,
        conversation: Option<Uuid>,
        message: &str,
    ) -> Result<Vec<TurnEvent>> {
        let step = "ask for a stream";
        let request = self.chat(&Uuid::new_v4(), &question(conversation, message, true));
        let response = accepted(step, request).await?;
        let mut stream = response.bytes_stream().eventsource();
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            let event = event.map_err(Error::http(step))?;
            let turn: TurnEvent = serde_json::from_str(&event.data).map_err(Error::http(step))?;
            if event.event != turn.name() {
                return Err(Error::Wrong(format!(
                    "{turn:?} came as event {:?}",
                    event.event
                )));
            }
            events.push(turn);
        }
        Ok(events)
    }

    /// Asks over a WebSocket and collects the events up to the end of the turn.
    ///
    /// # Errors
    /// The system refuses, does not answer, or sends what is no event.
    pub async fn ask_over_websocket(&self, message: &str) -> Result<Vec<TurnEvent>> {
        let step = "ask over a WebSocket";
        let url = format!("{}/v1/ws", self.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().map_err(Error::http(step))?;
        // As a browser does it, which can send no header of its own.
        let protocols = format!("chatbot.v1, bearer.{}", self.tokens.access_token);
        let protocols = http::HeaderValue::from_str(&protocols).map_err(Error::http(step))?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols);
        let connecting = tokio_tungstenite::connect_async(request);
        let (mut socket, _) = within(TIMEOUT, step, connecting)
            .await?
            .map_err(Error::http(step))?;
        let question = json!({
            "type": "chat",
            "id": "turn",
            "idempotency_key": Uuid::new_v4(),
            "message": message,
        });
        socket
            .send(Message::text(question.to_string()))
            .await
            .map_err(Error::http(step))?;
        within(TIMEOUT, "see the end of a turn over a WebSocket", async {
            let mut events = Vec::new();
            while let Some(message) = socket.next().await {
                let Message::Text(text) = message.map_err(Error::http(step))? else {
                    continue;
                };
                let frame: Value = serde_json::from_str(&text).map_err(Error::http(step))?;
                // What is told without asking belongs to no turn.
                if frame["type"] == "authenticated" || UserEvent::deserialize(&frame).is_ok() {
                    continue;
                }
                if frame["id"] != "turn" {
                    return Err(Error::Wrong(format!("a frame belongs to no turn: {frame}")));
                }
                let event: TurnEvent = serde_json::from_value(frame).map_err(Error::http(step))?;
                let last = matches!(event, TurnEvent::Done { .. } | TurnEvent::Error { .. });
                events.push(event);
                if last {
                    return Ok(events);
                }
            }
            Err(Error::Wrong(format!(
                "the WebSocket ended within a turn: {events:?}"
            )))
        })
        .await?
    }

    /// Follows what is new of the person, from now on.
    ///
    /// # Errors
    /// The system refuses or does not answer; the stream gives an error when it sends what is no event.
    pub async fn follow(&self) -> Result<impl Stream<Item = Result<UserEvent>> + Unpin + use<>> {
        let step = "follow what is new";
        let response = accepted(step, self.request(Method::GET, "/v1/events")).await?;
        Ok(response.bytes_stream().eventsource().map(move |event| {
            let event = event.map_err(Error::http(step))?;
            serde_json::from_str(&event.data).map_err(Error::http(step))
        }))
    }

    /// Asks and expects a refusal.
    ///
    /// # Errors
    /// The system does not answer, or answers the question.
    pub async fn ask_in_vain(&self, message: &str) -> Result<Refusal> {
        self.ask_once_in_vain(&Uuid::new_v4(), message).await
    }

    /// Asks under a key of one's own and expects a refusal.
    ///
    /// # Errors
    /// The system does not answer, or answers the question.
    pub async fn ask_once_in_vain(&self, key: &Uuid, message: &str) -> Result<Refusal> {
        refused("ask", self.chat(key, &question(None, message, false))).await
    }

    /// All conversations, newest first.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn conversations(&self) -> Result<Vec<ConversationOut>> {
        self.pages("/v1/conversations", 2).await
    }

    /// All messages of a conversation in order, read with pages of this size.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn messages(&self, conversation: Uuid, page: u32) -> Result<Vec<MessageOut>> {
        self.pages(&format!("/v1/conversations/{conversation}/messages"), page)
            .await
    }

    /// Reads a conversation that is not there.
    ///
    /// # Errors
    /// The system does not answer, or it is there.
    pub async fn messages_in_vain(&self, conversation: Uuid) -> Result<Refusal> {
        let path = format!("/v1/conversations/{conversation}/messages");
        refused(&path, self.request(Method::GET, &path)).await
    }

    /// Deletes a conversation.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn delete(&self, conversation: Uuid) -> Result<()> {
        let path = format!("/v1/conversations/{conversation}");
        accepted("delete a conversation", self.request(Method::DELETE, &path))
            .await
            .map(|_| ())
    }

    /// What was answered in the last thirty days.
    ///
    /// # Errors
    /// The system refuses or does not answer.
    pub async fn usage(&self) -> Result<Vec<DayUsageOut>> {
        let path = "/v1/usage";
        let usage: UsageOut = read(path, self.request(Method::GET, path)).await?;
        Ok(usage.data)
    }

    async fn pages<T: DeserializeOwned>(&self, path: &str, limit: u32) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, path).query(&[("limit", limit)]);
            if let Some(cursor) = &cursor {
                request = request.query(&[("cursor", cursor)]);
            }
            let page: Page<T> = read(path, request).await?;
            all.extend(page.data);
            match page.next_cursor {
                Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                Some(next) => return Err(Error::Wrong(format!("cursor {next} leads to itself"))),
                None => return Ok(all),
            }
        }
    }

    fn chat(&self, key: &Uuid, question: &ChatIn) -> RequestBuilder {
        self.request(Method::POST, "/v1/chat")
            .header(IDEMPOTENCY_KEY, key.to_string())
            .json(question)
    }

    /// A request in the person's name.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.tokens.access_token)
    }
}

/// Fetches what needs no account, whatever the answer.
///
/// # Errors
/// The system does not answer.
pub async fn fetch(url: &str) -> Result<Response> {
    client()?
        .get(url)
        .send()
        .await
        .map_err(Error::http(format!("fetch {url}")))
}

/// Reads a whole answer as text.
///
/// # Errors
/// It breaks off.
pub async fn text(step: &str, response: Response) -> Result<String> {
    response.text().await.map_err(Error::http(step))
}

/// The texts of the deltas, in order.
#[must_use]
pub fn streamed(events: &[TurnEvent]) -> String {
    events
        .iter()
        .filter_map(|event| match event {
            TurnEvent::Delta { content } => Some(content.as_str()),
            _ => None,
        })
        .collect()
}

fn question(conversation_id: Option<Uuid>, message: &str, stream: bool) -> ChatIn {
    ChatIn {
        conversation_id,
        message: message.to_owned(),
        model: None,
        stream,
    }
}

async fn accepted(step: &str, request: RequestBuilder) -> Result<Response> {
    let response = request.send().await.map_err(Error::http(step))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().await.unwrap_or_default();
    Err(Error::Refused {
        step: step.to_owned(),
        status,
        body,
    })
}

async fn within<T>(limit: Duration, step: &str, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(Error::http(step))
}

async fn read<T: DeserializeOwned>(step: &str, request: RequestBuilder) -> Result<T> {
    accepted(step, request)
        .await?
        .json()
        .await
        .map_err(Error::http(step))
}

async fn refused(step: &str, request: RequestBuilder) -> Result<Refusal> {
    let response = request.send().await.map_err(Error::http(step))?;
    let status = response.status();
    if status.is_success() {
        return Err(Error::Wrong(format!("{step} was not refused: {status}")));
    }
    let body = response.json().await.map_err(Error::http(step))?;
    Ok(Refusal { status, body })
}
