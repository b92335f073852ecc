//! The metrics of a process, in Prometheus' text format.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use chatbot_contract::Workload;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::events::DurableNumbers;

/// Content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of request durations, in seconds: from a cached read to a long answer of a model.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// The metrics of one process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    http: Http,
    durable: DurableNumbers,
}

#[derive(Clone)]
struct Http {
    requests: Family<Request, Counter>,
    duration: Family<Route, Histogram>,
    first_byte: Family<Route, Histogram>,
    in_flight: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
    method: &'static str,
}

/// The name of a method (RFC 9110 section 9, RFC 5789). What a client makes up is `other`: it would be a label of its own,
/// and could hold anything.
#[must_use]
pub const fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

/// A request that is being served; it ends with the last byte of its answer, or when it is dropped.
#[must_use = "the request counts as running while this lives"]
pub struct Running {
    http: Http,
    route: String,
    method: &'static str,
    status: Option<StatusCode>,
    since: Instant,
}

impl Metrics {
    /// Makes the registry of a process; every metric carries the workload's name.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        let label = ("workload".into(), workload.name().into());
        let mut registry = Registry::with_prefix_and_labels("chatbot", std::iter::once(label));
        let histogram = || Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> _);
        let http = Http {
            requests: Family::default(),
            duration: histogram(),
            first_byte: histogram(),
            in_flight: Gauge::default(),
        };
        registry.register(
            "http_requests",
            "HTTP requests answered",
            http.requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's head to the last byte of its answer",
            http.duration.clone(),
        );
        registry.register(
            "http_request_first_byte_seconds",
            "Time from a request's head to the head of its answer",
            http.first_byte.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "HTTP requests whose answer has not ended",
            http.in_flight.clone(),
        );
        let durable = DurableNumbers::new(&mut registry);
        Self {
            registry: Arc::new(Mutex::new(registry)),
            http,
            durable,
        }
    }

    /// Those of the consumers that keep their place: a process may have several.
    pub(crate) const fn durable(&self) -> &DurableNumbers {
        &self.durable
    }

    /// Adds metrics of the workload's own.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All metrics as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }

    /// Begins to measure a request.
    pub fn request(&self, route: &str, method: &Method) -> Running {
        self.http.in_flight.inc();
        Running {
            http: self.http.clone(),
            route: route.to_owned(),
            method: method_name(method),
            status: None,
            since: Instant::now(),
        }
    }
}

impl Running {
    /// Notes the head of the answer; says how long it took.
    pub fn answered(&mut self, status: StatusCode) -> Duration {
        let elapsed = self.since.elapsed();
        self.status = Some(status);
        self.http
            .first_byte
            .get_or_create(&self.labels())
            .observe(elapsed.as_secs_f64());
        elapsed
    }

    fn labels(&self) -> Route {
        Route {
            route: self.route.clone(),
            method: self.method,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.http.in_flight.dec();
        // Without a head the caller went away first: 499, as nginx counts it.
        let status = self.status.map_or(499, |status| status.as_u16());
        self.http
            .duration
            .get_or_create(&self.labels())
            .observe(self.since.elapsed().as_secs_f64());
        let labels = Request {
            route: self.route.clone(),
            method: self.method,
            status,
        };
        self.http.requests.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use axum::http::{Method, StatusCode};
    use chatbot_contract::Workload;

    use super::Metrics;

    #[test]
    fn a_request_is_counted_when_it_ends_and_is_in_flight_before() {
        let metrics = Metrics::new(Workload::Chat);
        let mut running = metrics.request("/v1/x", &Method::GET);
        assert!(
            metrics
                .text()
                .contains("chatbot_http_requests_in_flight{workload=\"chat\"} 1")
        );
        let _ = running.answered(StatusCode::OK);
        drop(running);
        let text = metrics.text();
        assert!(
            text.contains("chatbot_http_requests_in_flight{workload=\"chat\"} 0"),
            "{text}"
        );
        let line = "chatbot_http_requests_total{workload=\"chat\",route=\"/v1/x\",method=\"GET\",status=\"200\"} 1";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn methods_that_clients_make_up_are_one() {
        let metrics = Metrics::new(Workload::Chat);
        for made_up in ["SECRET-1", "SECRET-2"] {
            let method = Method::from_bytes(made_up.as_bytes()).unwrap();
            drop(metrics.request("unmatched", &method));
        }
        let text = metrics.text();
        let line = "chatbot_http_requests_total{workload=\"chat\",route=\"unmatched\",method=\"other\",status=\"499\"} 2";
        assert!(text.contains(line) && !text.contains("SECRET"), "{text}");
    }
}
