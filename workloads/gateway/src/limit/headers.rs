//! What clients are told of their limits: `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers-10).
//!
//! A limit is asked in the middle of a request and shown at its end: the layer [`show`] puts an empty
//! [`Shown`] into the request and writes down what was added to it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::Standing;

/// What remains now of each policy, and when all of it is there again, in seconds.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The policies: their quota, and their window in seconds.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits that one request met.
#[derive(Clone, Default)]
pub struct Shown(Arc<Mutex<Vec<Standing>>>);

impl Shown {
    pub(super) fn add(&self, standing: Standing) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(standing);
    }

    fn headers(&self) -> Option<(HeaderValue, HeaderValue)> {
        let standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if standings.is_empty() {
            return None;
        }
        let (mut limits, mut policies) = (String::new(), String::new());
        for Standing {
            rule,
            remaining,
            reset,
            wait: _,
        } in standings.iter()
        {
            let comma = if limits.is_empty() { "" } else { ", " };
            let (name, quota) = (rule.name, rule.quota);
            let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
            let window = rule.window.as_secs();
            // Writing to a string does not fail.
            let _ = write!(limits, "{comma}\"{name}\";r={remaining};t={reset}");
            let _ = write!(policies, "{comma}\"{name}\";q={quota};w={window}");
        }
        Some((limits.try_into().ok()?, policies.try_into().ok()?))
    }
}

impl<S: Sync> FromRequestParts<S> for Shown {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The layer that writes the headers.
pub(crate) async fn show(mut request: Request, next: Next) -> Response {
    let shown = Shown::default();
    request.extensions_mut().insert(shown.clone());
    let mut response = next.run(request).await;
    if let Some((limits, policies)) = shown.headers() {
        response.headers_mut().insert(RATE_LIMIT, limits);
        response.headers_mut().insert(RATE_LIMIT_POLICY, policies);
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::time::Duration;

    use super::Shown;
    use crate::limit::Rule;

    #[test]
    fn each_policy_is_a_member_of_the_lists() {
        let shown = Shown::default();
        assert!(shown.headers().is_none());
        let rule = |name, quota, seconds, burst| Rule {
            name,
            quota,
            window: Duration::from_secs(seconds),
            burst,
        };
        shown.add(rule("requests", 60, 60, 10).standing(1_200_000, 1, true));
        shown.add(rule("tokens", 86_400, 86_400, 100).standing(0, 1, true));
        let (limits, policies) = shown.headers().unwrap();
        assert_eq!(limits, "\"requests\";r=8;t=2, \"tokens\";r=100;t=0");
        assert_eq!(
            policies,
            "\"requests\";q=60;w=60, \"tokens\";q=86400;w=86400"
        );
    }
}
