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

/// An event of this name, by whose id a client can go on after it; the JSON of `data` is its data.
pub(crate) fn event(name: &'static str, id: Option<String>, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("an event can be written as JSON");
    let event = match id {
        Some(id) => Event::default().id(id),
        None => Event::default(),
    };
    event.event(name).data(data)
}

/// Makes the response.
pub(crate) fn response(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let mut response = Sse::new(events.map(Ok::<_, Infallible>))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    response
        .headers_mut()
        .insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
