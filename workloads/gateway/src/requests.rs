//! Tells what was asked for and how it went, for analysis: [`chatbot_contract::requests`].
//!
//! No request waits for it, and none fails with it: what was answered goes into a queue in memory, and from there to the log of
//! events. While the log takes nothing the queue is full, and what comes then is counted and forgotten.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use chatbot_api::error::ErrorCode;
use chatbot_contract::events::Topic;
use chatbot_contract::requests::{Request, VERSION};
use chatbot_runtime::context::{Context, Shutdown};
use chatbot_runtime::events::{EventLog, Record};
use chatbot_runtime::layers;
use chatbot_runtime::metrics::method_name;
use chatbot_runtime::request_id::RequestId;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

/// Requests that wait to be told.
const WAITING: usize = 2_000;

/// Most requests that are appended at once.
const BATCH: usize = 500;

/// How long the end of the process waits for those that wait.
const LAST: Duration = Duration::from_secs(1);

/// Longest name of a client that is kept, in bytes.
const AGENT: usize = 64;

/// The status of a request whose client went away before the answer began, as nginx has it.
const WENT_AWAY: u16 = 499;

/// Where requests are noted. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Requests {
    queue: mpsc::Sender<Request>,
    dropped: Counter,
}

/// What tells them.
pub(crate) struct Telling {
    queue: mpsc::Receiver<Request>,
    log: Arc<dyn EventLog>,
    told: Counter,
    dropped: Counter,
    shutdown: Shutdown,
}

impl Requests {
    /// Makes both ends of the queue.
    pub(crate) fn new(log: Arc<dyn EventLog>, context: &Context) -> (Self, Telling) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (told, dropped) = (Counter::default(), Counter::default());
        context.metrics.register(|registry| {
            registry.register(
                "request_log_told",
                "Requests told to the log of events",
                told.clone(),
            );
            registry.register(
                "request_log_dropped",
                "Requests that were not told, since the log of events took none",
                dropped.clone(),
            );
        });
        let requests = Self {
            queue: sender,
            dropped: dropped.clone(),
        };
        let telling = Telling {
            queue: receiver,
            log,
            told,
            dropped,
            shutdown: context.shutdown.clone(),
        };
        (requests, telling)
    }
}

impl Telling {
    /// Tells requests until the process ends, and waits then.
    pub(crate) async fn run(mut self) {
        let running = self.shutdown.session();
        let shutdown = self.shutdown.clone();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = shutdown.stopping() => break,
                taken = self.queue.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.tell(std::mem::take(&mut batch)).await;
                }
            }
        }
        self.queue.close();
        while let Ok(request) = self.queue.try_recv() {
            batch.push(request);
        }
        // While the log is away nothing of it is told.
        let _ = tokio::time::timeout(LAST, self.tell(batch)).await;
        drop(running);
        std::future::pending().await
    }

    async fn tell(&self, requests: Vec<Request>) {
        let records = requests.iter().map(record).collect();
        for result in self.log.append(Topic::Requests, records).await {
            let number = if result.is_ok() {
                &self.told
            } else {
                &self.dropped
            };
            number.inc();
        }
    }
}

fn record(request: &Request) -> Record {
    Record {
        key: request.id.as_bytes().to_vec(),
        payload: serde_json::to_vec(request).expect("a request is JSON"),
        headers: Vec::new(),
    }
}

/// Who asked, once that is known: whoever finds it out writes it down here.
#[derive(Clone, Default)]
pub(crate) struct Asker(Arc<OnceLock<Uuid>>);

impl Asker {
    /// Writes it down.
    pub(crate) fn is(&self, user: Uuid) {
        // A request has one user.
        let _ = self.0.set(user);
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Where nobody notes requests it is forgotten.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// A request that is being answered; it is noted when this is dropped, at the end of the answer.
struct Noting {
    requests: Requests,
    asker: Asker,
    began: Instant,
    noted: Request,
}

impl Drop for Noting {
    fn drop(&mut self) {
        let milliseconds = self.began.elapsed().as_millis();
        // What is around the handlers answers for one that panics.
        if self.noted.status == WENT_AWAY && std::thread::panicking() {
            self.noted.status = ErrorCode::Internal.status();
            self.noted.error = name(&ErrorCode::Internal);
        }
        let noted = Request {
            milliseconds: u64::try_from(milliseconds).unwrap_or(u64::MAX),
            user_id: self.asker.0.get().copied(),
            ..self.noted.clone()
        };
        if self.requests.queue.try_send(noted).is_err() {
            self.requests.dropped.inc();
        }
    }
}

/// The layer that notes requests of a route.
pub(crate) async fn note(
    State(requests): State<Requests>,
    mut request: HttpRequest,
    next: Next,
) -> Response {
    let asker = Asker::default();
    let extensions = request.extensions();
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let request_id = extensions.get::<RequestId>().cloned().unwrap_or_default();
    let mut noting = Noting {
        requests,
        asker: asker.clone(),
        began: Instant::now(),
        noted: Request {
            version: VERSION,
            id: Uuid::now_v7(),
            time: Timestamp::now(),
            request_id: request_id.as_str().to_owned(),
            method: method_name(request.method()).to_owned(),
            route: route.unwrap_or_default().to_owned(),
            status: WENT_AWAY,
            error: None,
            milliseconds: 0,
            user_id: None,
            agent: agent(request.headers()),
        },
    };
    request.extensions_mut().insert(asker);
    let response = next.run(request).await;
    noting.noted.status = response.status().as_u16();
    noting.noted.error = response.extensions().get().and_then(name);
    layers::hold(response, noting)
}

/// The name of an error, as callers see it.
fn name(code: &ErrorCode) -> Option<String> {
    let name = serde_json::to_value(code).ok()?;
    name.as_str().map(str::to_owned)
}

/// The first product of the client's name: what follows tells machines and people apart.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let product = text.split_ascii_whitespace().next()?;
    // Visible ASCII: each byte is a character.
    Some(product[..product.len().min(AGENT)].to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::sync::Arc;

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request as HttpRequest, StatusCode};
    use axum::middleware::from_fn_with_state;
    use axum::response::Response;
    use axum::routing::get;
    use chatbot_contract::Workload;
    use chatbot_contract::events::Topic;
    use chatbot_contract::requests::Request;
    use chatbot_runtime::context::Context;
    use chatbot_runtime::error::ApiError;
    use chatbot_runtime::events::{EventLog, InProcessLog};
    use futures::StreamExt as _;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;
    use uuid::Uuid;

    use super::{Asker, Requests, WAITING, note};

    const USER: Uuid = Uuid::from_u128(7);

    fn router(requests: Requests) -> Router {
        Router::new()
            .route(
                "/v1/things/{thing}",
                get(async |asker: Asker| -> Result<&str, ApiError> {
                    asker.is(USER);
                    Ok("the content")
                })
                .delete(async || ApiError::not_found("this thing"))
                .put(async || -> &str { panic!("as it was told to") }),
            )
            .layer(from_fn_with_state(requests, note))
    }

    async fn ask(router: &Router, method: &str) -> Response {
        let request = HttpRequest::builder()
            .method(method)
            .uri("/v1/things/secret-thing?q=secret-query")
            .header("user-agent", "openai-python/2.1 (a machine) of somebody")
            .header("authorization", "Bearer secret-token");
        let request = request.body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_is_told_when_its_answer_was_read_with_its_route_and_without_its_content() {
        let log = Arc::new(InProcessLog::default());
        let mut told = log.follow(Topic::Requests).await;
        let context = Context::new(Workload::Gateway);
        let (requests, telling) = Requests::new(log, &context);
        tokio::spawn(telling.run());
        let router = router(requests);

        let response = ask(&router, "GET").await;
        to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(ask(&router, "DELETE").await.status(), StatusCode::NOT_FOUND);
        let mut read = async || {
            let payload = told.next().await.unwrap().record.payload;
            let text = String::from_utf8(payload).unwrap();
            assert!(
                !text.contains("secret") && !text.contains("content"),
                "{text}"
            );
            serde_json::from_str::<Request>(&text).unwrap()
        };
        let first = read().await;
        assert_eq!((first.method.as_str(), first.status), ("GET", 200));
        assert_eq!(first.route, "/v1/things/{thing}");
        assert_eq!(first.user_id, Some(USER));
        assert_eq!(first.agent.as_deref(), Some("openai-python/2.1"));
        let second = read().await;
        assert_eq!((second.status, second.user_id), (404, None));
        assert_eq!(second.error.as_deref(), Some("not_found"));
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_noted_with_its_error_and_a_method_that_is_made_up_with_none_of_it()
     {
        let log = Arc::new(InProcessLog::default());
        let mut told = log.follow(Topic::Requests).await;
        let context = Context::new(Workload::Gateway);
        let (requests, telling) = Requests::new(log, &context);
        tokio::spawn(telling.run());
        let router = router(requests).layer(CatchPanicLayer::new());
        let mut read = async || {
            let payload = told.next().await.unwrap().record.payload;
            serde_json::from_slice::<Request>(&payload).unwrap()
        };
        assert_eq!(ask(&router, "PUT").await.status(), 500);
        let panicked = read().await;
        assert_eq!(panicked.status, 500);
        assert_eq!(panicked.error.as_deref(), Some("internal"));
        assert_eq!(ask(&router, "SECRET").await.status(), 405);
        let refused = read().await;
        assert_eq!((refused.method.as_str(), refused.status), ("other", 405));
    }

    #[tokio::test]
    async fn what_nobody_tells_is_counted_and_holds_up_no_request() {
        let context = Context::new(Workload::Gateway);
        let (requests, _telling) = Requests::new(Arc::new(InProcessLog::default()), &context);
        let router = router(requests.clone());
        for _ in 0..WAITING + 2 {
            assert_eq!(ask(&router, "GET").await.status(), 200);
        }
        assert_eq!(requests.dropped.get(), 2);
    }
}
