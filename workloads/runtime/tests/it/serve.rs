//! A process from its first request to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_contract::Workload;
use chatbot_runtime::context::Context;
use chatbot_runtime::layers;
use chatbot_runtime::serve::{self, Listeners, ServeError, Service};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

struct Running {
    interface: String,
    admin: String,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    async fn start(drain: Duration, service: impl FnOnce(&Context) -> Service) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let context = Context::new(Workload::Chat);
        let service = service(&context);
        let listeners = Listeners {
            interface: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            admin: Some(TcpListener::bind("127.0.0.1:0").await.unwrap()),
        };
        let base = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let interface = base(&listeners.interface);
        let admin = base(listeners.admin.as_ref().unwrap());
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(serve::run(listeners, service, context, drain, stopped));
        Self {
            interface,
            admin,
            http: reqwest::Client::new(),
            stop: Some(stop),
            ended,
        }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.http
            .get(format!("{}{path}", self.interface))
            .send()
            .await
            .unwrap()
    }

    async fn ready(&self) -> u16 {
        self.http
            .get(format!("{}/readyz", self.admin))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello" }))
}

#[tokio::test]
async fn a_draining_process_is_not_ready_serves_on_and_closes_connections() {
    let mut running = Running::start(Duration::from_secs(600), |_| Service::new(hello())).await;
    assert_eq!(running.ready().await, 200);
    assert!(
        running
            .get("/hello")
            .await
            .headers()
            .get("connection")
            .is_none()
    );
    running.stop();
    while running.ready().await == 200 {
        tokio::task::yield_now().await;
    }
    let response = running.get("/hello").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["connection"], "close");
    running.ended.abort();
}

#[tokio::test]
async fn a_running_request_and_a_session_end_before_the_process() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, awaited) = (Arc::clone(&begun), Arc::clone(&go_on));
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            seen.notify_one();
            awaited.notified().await;
            "done"
        }),
    );
    let mut session = None;
    let mut running = Running::start(Duration::ZERO, |context| {
        session = Some(context.shutdown.session());
        Service::new(router)
    })
    .await;
    let request = running
        .http
        .get(format!("{}/slow", running.interface))
        .send();
    let answered = tokio::spawn(request);
    begun.notified().await;
    running.stop();
    go_on.notify_one();
    assert_eq!(
        answered.await.unwrap().unwrap().text().await.unwrap(),
        "done"
    );
    assert!(!running.ended.is_finished());
    drop(session);
    running.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_is_a_documented_error() {
    async fn panics() -> &'static str {
        panic!("on purpose");
    }
    let router = Router::new().route("/panics", get(panics));
    let running = Running::start(Duration::ZERO, |_| Service::new(router)).await;
    let response = running.get("/panics").await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(
        response.json::<ErrorOut>().await.unwrap().error.code,
        ErrorCode::Internal
    );
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let router = Router::new().route("/never", get(std::future::pending::<&str>));
    let router = layers::time_limit(router, Duration::from_millis(1));
    let running = Running::start(Duration::ZERO, |_| Service::new(router)).await;
    let response = running.get("/never").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-should-retry"], "true");
}

#[tokio::test]
async fn a_background_task_that_ends_ends_the_process() {
    let running = Running::start(Duration::ZERO, |_| {
        Service::new(hello()).background("short", async {})
    })
    .await;
    let error = running.ended.await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::TaskEnded("short")), "{error}");
}
