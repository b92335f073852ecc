//! The receiver of webhooks for tests: a real HTTP server that keeps what it gets, and answers what a test wants.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// What a receiver does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Answers with this status; of a redirection to itself.
    Answer(StatusCode),
    /// Answers nothing.
    Hang,
}

/// A message that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Received {
    /// Its `webhook-id`.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        let id = self.headers.get("webhook-id");
        id.and_then(|id| id.to_str().ok()).expect("a webhook-id")
    }

    /// Whether the library of the specification finds a signature of this secret, that is not old.
    ///
    /// # Panics
    /// When the secret is none.
    #[must_use]
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).expect("a secret of the specification");
        webhook.verify(&self.body, &self.headers).is_ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
}

#[derive(Clone)]
struct Seen {
    act: Arc<Mutex<Act>>,
    received: watch::Sender<Vec<Received>>,
}

/// A running receiver; it ends when the value is dropped.
pub struct Receiver {
    address: SocketAddr,
    seen: Seen,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    /// Starts one at a free port of 127.0.0.1.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(act: Act) -> std::io::Result<Self> {
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), act).await
    }

    /// Starts one at a free port of an address of this machine.
    ///
    /// # Errors
    /// The machine does not have the address, or there is no free port.
    pub async fn start_at(address: IpAddr, act: Act) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Seen {
            act: Arc::new(Mutex::new(act)),
            received: watch::Sender::new(Vec::new()),
        };
        let router = Router::new()
            .route("/", post(receive))
            .with_state(seen.clone());
        let serving = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            seen,
            serving,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Does something else from now on.
    ///
    /// # Panics
    /// When a handler panicked.
    pub fn act(&self, act: Act) {
        *self.seen.act.lock().expect("no handler panics") = act;
    }

    /// What came so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.seen.received.borrow().clone()
    }

    /// Waits for so many messages, and gives all.
    ///
    /// # Panics
    /// When the receiver has ended.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.seen.received.subscribe();
        let enough = received.wait_for(|received| received.len() >= count).await;
        enough.expect("the receiver holds the other end").clone()
    }
}

async fn receive(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> Response {
    let act = *seen.act.lock().expect("no handler panics");
    let received = Received { headers, body };
    seen.received.send_modify(|all| all.push(received));
    match act {
        Act::Answer(status) if status.is_redirection() => {
            (status, [(header::LOCATION, "/")]).into_response()
        }
        Act::Answer(status) => status.into_response(),
        Act::Hang => {
            Notify::new().notified().await;
            StatusCode::OK.into_response()
        }
    }
}
