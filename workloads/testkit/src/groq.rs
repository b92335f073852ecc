//! A stand-in for Groq: the part of its API that a chat needs, and every failure it documents.
//!
//! `POST /openai/v1/chat/completions` (streamed or whole), `GET /openai/v1/models` and
//! `/openai/v1/models/{id}`, with the bodies, headers and errors of
//! <https://console.groq.com/docs/api-reference> and <https://console.groq.com/docs/errors>.
//!
//! The answer is always `You said: ` and the last message of the user, so that a checker can verify
//! it; a stream has it word by word. What else shall happen is asked for in that message:
//!
//! ```text
//! [[mock: status=429 retry_after=1 times=2]]      the first two requests with this message fail
//! [[mock: chunks=50 delay_ms=20 first_ms=300]]    fifty pieces, 20 ms apart, the first after 300 ms
//! ```
//!
//! | word | means |
//! |---|---|
//! | `status=N` | answer with this error: 400 401 403 404 413 422 424 429 498 499 500 502 503, or any other |
//! | `retry_after=S` | … with this `retry-after` header, in seconds |
//! | `should_retry=B` | … with this `x-should-retry` header, `true` or `false` |
//! | `times=N` | what is asked for happens to the first N requests with this message, then all is well |
//! | `hang` | no answer at all: the connection stays open and silent |
//! | `first_ms=N` | wait so long before the answer begins |
//! | `delay_ms=N` | wait so long before each further piece |
//! | `chunks=N` | so many pieces, at most one a character |
//! | `words=N` | so many words more at the end: ` w1 w2 …` |
//! | `finish=R` | this `finish_reason`; `stop` otherwise |
//! | `no_usage` | tell no tokens |
//! | `error_at=N` | after N pieces an error inside the stream, as a data event |
//! | `error_event_at=N` | … as an event named `error` |
//! | `stopped_at=N` | after N pieces a last chunk with `x_groq.error` |
//! | `stall_at=N` | after N pieces nothing more comes, and the connection stays open |
//! | `cut_at=N` | after N pieces the connection breaks |
//!
//! The same as part of a model's name, with dashes: `mock-status-503`, `mock-stall_at-2-delay_ms-5`.
//! Unknown models are answered as Groq does, with 404 and `model_not_found`.

mod answer;
mod directive;
mod error;
mod http;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use directive::{Break, Directive};

/// Models that exist.
pub const MODELS: [&str; 4] = [
    "llama-3.3-70b-versatile",
    "llama-3.1-8b-instant",
    "openai/gpt-oss-120b",
    "openai/gpt-oss-20b",
];

/// A request that came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The model asked for.
    pub model: String,
    /// Role and text of each message.
    pub messages: Vec<(String, String)>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The whole body.
    pub body: serde_json::Value,
}

/// The stand-in's memory; clones share it.
#[derive(Clone, Default)]
pub struct Groq {
    inner: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    api_key: Option<String>,
    requests: Vec<Recorded>,
    /// How often each message with a directive came.
    seen: HashMap<String, u32>,
}

impl Groq {
    /// Makes a stand-in that accepts only this key, or any without one.
    #[must_use]
    pub fn new(api_key: Option<String>) -> Self {
        let groq = Self::default();
        groq.set_api_key(api_key);
        groq
    }

    /// Accepts only this key from now on, or any without one.
    pub fn set_api_key(&self, api_key: Option<String>) {
        self.memory(|memory| memory.api_key = api_key);
    }

    /// The chat requests that came so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.memory(|memory| memory.requests.clone())
    }

    /// The whole interface.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// Serves on a free port of 127.0.0.1 until the value is dropped.
    ///
    /// # Errors
    /// Fails when no port can be had.
    pub async fn serve(self) -> std::io::Result<Serving> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = self.router();
        let task = tokio::spawn(async move {
            // It ends with its task only.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Serving {
            groq: self,
            address,
            task,
        })
    }

    fn memory<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a request with this message, and says how many came before.
    fn count(&self, message: &str) -> u32 {
        self.memory(|memory| {
            let seen = memory.seen.entry(message.to_owned()).or_default();
            *seen += 1;
            *seen - 1
        })
    }
}

/// A stand-in that serves.
pub struct Serving {
    /// Its memory.
    pub groq: Groq,
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Serving {
    /// The base URL, up to and without `/chat/completions`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/openai/v1", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
