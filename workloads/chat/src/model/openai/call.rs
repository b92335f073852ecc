//! One call of the API: its head, and the events of its stream.

use std::time::Duration;

use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};

use super::retry::Refusal;
use super::wire::{Chunk, ErrorBody, ErrorObject};
use crate::model::Failure;

/// Ends a stream.
const DONE: &str = "[DONE]";

/// Largest error body that is read, in bytes.
const ERROR_BODY: usize = 64 * 1024;

/// The chunks of an answer that has begun.
pub(super) struct Events {
    stream: BoxStream<'static, Result<Event, EventStreamError<reqwest::Error>>>,
    first: Option<Chunk>,
    patience: Duration,
    ended: bool,
}

/// Sends a request and waits for the first chunk, `patience` long.
pub(super) async fn open(request: RequestBuilder, patience: Duration) -> Result<Events, Refusal> {
    let opening = async {
        let response = request.send().await.map_err(broken)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let stream = response.bytes_stream().eventsource().boxed();
        let mut events = Events {
            stream,
            first: None,
            patience,
            ended: false,
        };
        events.first = events.read().await.map_err(Refusal::Final)?;
        Ok(events)
    };
    tokio::time::timeout(patience, opening)
        .await
        .unwrap_or(Err(Refusal::Timeout))
}

impl Events {
    /// Gives the next chunk; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, Failure> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let patience = self.patience;
        tokio::time::timeout(patience, self.read())
            .await
            .unwrap_or(Err(Failure::Timeout))
    }

    async fn read(&mut self) -> Result<Option<Chunk>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let Some(event) = self.stream.next().await else {
            self.ended = true;
            return Ok(None);
        };
        let event = event.map_err(|_| Failure::Failed("it broke its answer off".to_owned()))?;
        if event.data.trim() == DONE {
            self.ended = true;
            return Ok(None);
        }
        let chunk = chunk(&event)?;
        if let Some(stopped) = chunk
            .x_groq
            .as_ref()
            .and_then(|x_groq| x_groq.error.as_ref())
        {
            let stopped: String = stopped.chars().take(300).collect();
            return Err(Failure::Failed(format!("it stopped early: {stopped}")));
        }
        Ok(Some(chunk))
    }
}

/// Reads an event; errors come as events of that name, or as data.
fn chunk(event: &Event) -> Result<Chunk, Failure> {
    let unreadable = || Failure::Failed("its answer cannot be read".to_owned());
    let chunk: Chunk = serde_json::from_str(&event.data).map_err(|_| unreadable())?;
    match &chunk.error {
        Some(error) => Err(in_stream(error)),
        None if event.event == "error" => Err(in_stream(&ErrorObject::default())),
        None => Ok(chunk),
    }
}

fn in_stream(error: &ErrorObject) -> Failure {
    if error.code().as_deref() == Some("rate_limit_exceeded") {
        return Failure::RateLimited { retry_after: None };
    }
    Failure::Failed(error.message())
}

async fn refused(response: Response) -> Refusal {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let should_retry = response
        .headers()
        .get("x-should-retry")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let error = error_object(response).await.unwrap_or_default();
    Refusal::Status {
        status,
        retry_after,
        should_retry,
        code: error.code(),
        message: error.message(),
    }
}

async fn error_object(response: Response) -> Option<ErrorObject> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(bytes)) = stream.next().await {
        body.extend_from_slice(&bytes);
        if body.len() > ERROR_BODY {
            return None;
        }
    }
    serde_json::from_slice::<ErrorBody>(&body)
        .ok()
        .map(|body| body.error)
}

/// `retry-after` in seconds, which may have a fraction; a date is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Names a broken connection without its URL.
fn broken(error: reqwest::Error) -> Refusal {
    Refusal::Connection(chatbot_runtime::telemetry::chain(&error.without_url()))
}
