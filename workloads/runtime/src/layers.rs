//! What is around every handler: request id, log line, metrics, limits, and answers for what has no handler.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use chatbot_api::error::ErrorCode;
use http_body::{Frame, SizeHint};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::context::Context;
use crate::error::ApiError;
use crate::metrics::method_name;
use crate::request_id::RequestId;

/// Largest body of a request, in bytes: the longest message in its widest encoding, and room.
pub const BODY_LIMIT: usize = 256 * 1024;

/// Puts the layers of every workload around a router.
pub fn wrap(router: Router, context: &Context) -> Router {
    router
        .fallback(|| async { ApiError::not_found("this path") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                ErrorCode::MethodNotAllowed,
                "this path does not know this method",
            )
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(context.clone(), observe))
}

/// Ends every request of `router` after `limit` with 503. Not for streams.
pub fn time_limit<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    limit: Duration,
) -> Router<S> {
    router.route_layer(middleware::from_fn(
        move |request: Request, next: Next| async move {
            tokio::time::timeout(limit, next.run(request))
                .await
                .unwrap_or_else(|_| {
                    ApiError::unavailable("this took too long and was given up; try again")
                        .into_response()
                })
        },
    ))
}

async fn observe(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let mut running = context.metrics.request(&route, request.method());
    let span = tracing::info_span!("request", request_id = %id, method = method_name(request.method()), route);
    request.extensions_mut().insert(id.clone());
    let version = request.version();

    let mut response = next.run(request).instrument(span.clone()).await;

    let elapsed = running.answered(response.status());
    let (status, milliseconds) = (response.status().as_u16(), elapsed.as_millis());
    span.in_scope(|| tracing::info!(status, milliseconds, "answered"));
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static(chatbot_api::REQUEST_ID),
        id.header(),
    );
    // Tells a load balancer that keeps connections to take another one next time.
    if context.shutdown.is_draining()
        && version <= Version::HTTP_11
        && !headers.contains_key(header::UPGRADE)
    {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    hold(response, running)
}

/// Keeps a value until the end of the answer, or until nobody reads it any more.
pub fn hold(response: Response, value: impl Send + Unpin + 'static) -> Response {
    response.map(|body| {
        Body::new(Holding {
            body,
            _value: value,
        })
    })
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it gave no reason");
    tracing::error!(message, "a handler panicked");
    ApiError::defect().into_response()
}

/// A body with a value that lives as long.
struct Holding<T> {
    body: Body,
    _value: T,
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        poller: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(poller)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
