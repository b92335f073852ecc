//! One user of the public interface.

use std::time::{Duration, Instant};

use chatbot_api::IDEMPOTENCY_KEY;
use chatbot_api::accounts::{LoginIn, RegisterIn, TokensOut};
use chatbot_api::conversations::{ConversationOut, MessageOut, Page};
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::turns::{ChatIn, TurnEvent, TurnOut};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

/// Silence after which an answer is given up.
const SILENCE: Duration = Duration::from_secs(45);

/// Tokens are renewed so long before they end.
const MARGIN: Duration = Duration::from_secs(30);

/// Why an attempt failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The same request will be refused again.
    #[error("{status} {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The error's code.
        code: String,
    },
    /// The same request may go well later.
    #[error("{seen}")]
    Again {
        /// What was seen.
        seen: String,
    },
}

impl Failure {
    fn again(seen: impl Into<String>) -> Self {
        Self::Again { seen: seen.into() }
    }

    fn connection(error: &reqwest::Error) -> Self {
        let seen = if error.is_connect() {
            "connection failed"
        } else if error.is_timeout() {
            "no answer in time"
        } else {
            "connection broken"
        };
        Self::again(seen)
    }

    fn of(status: u16, code: ErrorCode) -> Self {
        let name = serde_json::to_value(code)
            .ok()
            .and_then(|code| code.as_str().map(str::to_owned));
        let code_name = name.unwrap_or_default();
        // A newer attempt of our own may have taken the turn over: its answer is got by asking again.
        let again =
            status >= 500 || matches!(status, 408 | 425 | 429) || code == ErrorCode::Superseded;
        if again {
            Self::again(format!("{status} {code_name}"))
        } else {
            Self::Refused {
                status,
                code: code_name,
            }
        }
    }
}

/// How an attempt went, as far as it went.
#[derive(Debug, Default)]
pub struct Attempt {
    /// The stored message.
    pub accepted: Option<(Instant, MessageOut)>,
    /// The whole turn.
    pub done: Option<(Instant, Box<TurnOut>)>,
    /// Why it ended otherwise.
    pub failure: Option<Failure>,
}

/// A user with an account.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    email: String,
    password: String,
    token: Option<(String, Instant)>,
}

impl Client {
    /// Makes a user; the account is made by [`Client::register`].
    ///
    /// # Panics
    /// When an https URL is to be checked on a machine without CA certificates.
    #[must_use]
    pub fn new(base: Url) -> Self {
        // It may be installed already, by the program or another user.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(SILENCE)
            .no_proxy();
        if base.scheme() == "http" {
            // A machine without certificates can check a deployment that needs none.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .build()
            .expect("a client with such settings can be made where there are certificates");
        let name = Uuid::new_v4().simple();
        Self {
            http,
            base,
            email: format!("check-{name}@example.com"),
            password: format!("pass-{name}"),
            token: None,
        }
    }

    /// Makes the account. When an attempt made it without our learning of it, the account is ours.
    ///
    /// # Errors
    /// What the system said.
    pub async fn register(&mut self) -> Result<(), Failure> {
        let body = RegisterIn {
            email: self.email.clone(),
            password: self.password.clone(),
            display_name: None,
        };
        let answer = self
            .http
            .post(self.url("/v1/auth/register", &[]))
            .json(&body)
            .send()
            .await;
        match read::<TokensOut>(answer).await {
            Ok(tokens) => {
                self.keep(&tokens);
                Ok(())
            }
            Err(Failure::Refused { code, .. }) if code == "email_taken" => self.login().await,
            Err(failure) => Err(failure),
        }
    }

    async fn login(&mut self) -> Result<(), Failure> {
        let body = LoginIn {
            email: self.email.clone(),
            password: self.password.clone(),
        };
        let answer = self
            .http
            .post(self.url("/v1/auth/login", &[]))
            .json(&body)
            .send()
            .await;
        let tokens = read::<TokensOut>(answer).await?;
        self.keep(&tokens);
        Ok(())
    }

    fn keep(&mut self, tokens: &TokensOut) {
        let life = Duration::from_secs(tokens.expires_in).saturating_sub(MARGIN);
        self.token = Some((tokens.access_token.clone(), Instant::now() + life));
    }

    /// Logs in again where the token is about to end.
    async fn token(&mut self) -> Result<String, Failure> {
        if self
            .token
            .as_ref()
            .is_none_or(|(_, until)| *until <= Instant::now())
        {
            self.login().await?;
        }
        self.token
            .as_ref()
            .map(|(token, _)| token.clone())
            .ok_or_else(|| Failure::again("not logged in"))
    }

    /// Sends a message once.
    pub async fn chat(
        &mut self,
        key: &str,
        conversation: Option<Uuid>,
        text: &str,
        stream: bool,
    ) -> Attempt {
        let mut attempt = Attempt::default();
        if let Err(failure) = self
            .try_chat(key, conversation, text, stream, &mut attempt)
            .await
        {
            attempt.failure = Some(failure);
        }
        attempt
    }

    async fn try_chat(
        &mut self,
        key: &str,
        conversation_id: Option<Uuid>,
        text: &str,
        stream: bool,
        attempt: &mut Attempt,
    ) -> Result<(), Failure> {
        let body = ChatIn {
            conversation_id,
            message: text.to_owned(),
            model: None,
            stream,
        };
        let request = self
            .request(Method::POST, "/v1/chat", &[])
            .await?
            .header(IDEMPOTENCY_KEY, key)
            .json(&body);
        let answer = request.send().await;
        if !stream {
            let turn = read::<TurnOut>(answer).await?;
            attempt.accepted = Some((Instant::now(), turn.message.clone()));
            attempt.done = Some((Instant::now(), Box::new(turn)));
            return Ok(());
        }
        let mut events = good(answer).await?.bytes_stream().eventsource();
        while let Some(event) = events.next().await {
            let event = event.map_err(|_| Failure::again("stream broken"))?;
            match serde_json::from_str(&event.data)
                .map_err(|_| Failure::again("unreadable event"))?
            {
                TurnEvent::Accepted { message } => {
                    attempt.accepted.get_or_insert((Instant::now(), message));
                }
                TurnEvent::Done { turn } => {
                    attempt.done = Some((Instant::now(), turn));
                    return Ok(());
                }
                TurnEvent::Error { error } => {
                    return Err(Failure::again(format!(
                        "error event {}",
                        Failure::of(error.code.status(), error.code)
                    )));
                }
                _ => {}
            }
        }
        Err(Failure::again("stream ended early"))
    }

    /// Deletes a conversation. One that is not there any more counts as deleted.
    ///
    /// # Errors
    /// What the system said.
    pub async fn delete(&mut self, conversation: Uuid) -> Result<(), Failure> {
        let id = conversation.to_string();
        let answer = self
            .request(Method::DELETE, "/v1/conversations", &[&id])
            .await?
            .send()
            .await;
        match good(answer).await {
            Ok(_) | Err(Failure::Refused { status: 404, .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Reads one page of conversations.
    ///
    /// # Errors
    /// What the system said.
    pub async fn conversations(
        &mut self,
        cursor: Option<&str>,
    ) -> Result<Page<ConversationOut>, Failure> {
        self.page("/v1/conversations", &[], cursor).await
    }

    /// Reads one page of messages.
    ///
    /// # Errors
    /// What the system said.
    pub async fn messages(
        &mut self,
        conversation: Uuid,
        cursor: Option<&str>,
    ) -> Result<Page<MessageOut>, Failure> {
        let id = conversation.to_string();
        self.page("/v1/conversations", &[&id, "messages"], cursor)
            .await
    }

    async fn page<T: DeserializeOwned>(
        &mut self,
        path: &str,
        more: &[&str],
        cursor: Option<&str>,
    ) -> Result<Page<T>, Failure> {
        let query: Vec<_> = [("limit", "200")]
            .into_iter()
            .chain(cursor.map(|cursor| ("cursor", cursor)))
            .collect();
        let request = self.request(Method::GET, path, more).await?.query(&query);
        read(request.send().await).await
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        more: &[&str],
    ) -> Result<RequestBuilder, Failure> {
        let token = self.token().await?;
        Ok(self
            .http
            .request(method, self.url(path, more))
            .bearer_auth(token))
    }

    fn url(&self, path: &str, more: &[&str]) -> Url {
        let mut url = self.base.clone();
        let path = std::iter::once(path)
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
            .join("/");
        url.set_path(&path);
        url
    }
}

async fn good(answer: Result<Response, reqwest::Error>) -> Result<Response, Failure> {
    let response = answer.map_err(|error| Failure::connection(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let Ok(body) = response.json::<ErrorOut>().await else {
        // Not a word of ours: a proxy's page, or a broken connection.
        let refused = status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && status.as_u16() != 499;
        let code = "without an error body".to_owned();
        return Err(if refused {
            Failure::Refused {
                status: status.as_u16(),
                code,
            }
        } else {
            Failure::again(format!("{} {code}", status.as_u16()))
        });
    };
    Err(Failure::of(status.as_u16(), body.error.code))
}

async fn read<T: DeserializeOwned>(answer: Result<Response, reqwest::Error>) -> Result<T, Failure> {
    good(answer)
        .await?
        .json()
        .await
        .map_err(|error| Failure::connection(&error))
}
