//! A response of server-sent events, as browsers and what lies between expect it.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _};
use serde::Serialize;

/// Time without an event after which a comment is sent, so that nothing between takes the
/// connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Tells nginx to pass each event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Makes the response; `name` gives an event's `event` field, and its JSON is the data.
pub(crate) fn response<T: Serialize + 'static>(
    events: impl Stream<Item = T> + Send + 'static,
    name: impl Fn(&T) -> &'static str + Send + 'static,
) -> Response {
    let events = events.map(move |event| {
        let data = serde_json::to_string(&event).expect("an event can be written as JSON");
        Ok::<_, Infallible>(Event::default().event(name(&event)).data(data))
    });
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    response
        .headers_mut()
        .insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
