//! Calls to another workload: signed, bounded in time, and tried again where that is safe.
//!
//! A call that is idempotent (every method but `POST`, and `POST` with an idempotency key) is tried
//! again on a broken connection and on 503, until its deadline: the other side may be rolling over
//! or following a new primary. A connection that was never made is tried again for every call.
//!
//! A workload that runs in the same process is called without a socket: the same request goes to its
//! routes, and the same answer comes back ([`Client::within`]).

use std::fmt::Write as _;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use chatbot_api::error::{ErrorCode, ErrorOut};
use chatbot_api::{IDEMPOTENCY_KEY, REQUEST_ID};
use chatbot_contract::Workload;
use reqwest::Method;
pub use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

use crate::auth::{Caller, InternalAuth};
use crate::error::ApiError;
use crate::extract::IdempotencyKey;
use crate::request_id::RequestId;
use crate::telemetry;

/// How long a connection may take: inside a cluster, longer means that nobody is there.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a call is tried again after its first failure.
const RETRIES: Duration = Duration::from_secs(40);

/// Deadline of a call that sets none: longer than a workload waits for MySQL to fail over.
const DEADLINE: Duration = Duration::from_secs(40);

/// One other workload. Clones share the connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// The callee's routes, where it runs in this process.
    within: Option<Router>,
    base: Url,
    callee: Workload,
    auth: InternalAuth,
}

/// A call that has not been sent.
#[must_use = "a call does nothing before it is sent"]
pub struct Call<'a> {
    client: &'a Client,
    method: Method,
    url: Url,
    user: Option<Uuid>,
    request_id: RequestId,
    key: Option<IdempotencyKey>,
    body: Option<Vec<u8>>,
    accept: &'static str,
    header: Option<(&'static str, String)>,
    deadline: Duration,
}

/// The connections of a process are made by one of these.
///
/// # Panics
/// When no TLS provider was installed, which the binary does first.
#[must_use]
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        // A peer whose node is gone says nothing: notice it by keepalive, or by data that nobody takes.
        .tcp_keepalive(Duration::from_secs(5))
        .tcp_keepalive_interval(Duration::from_secs(2))
        .tcp_keepalive_retries(3)
        .tcp_user_timeout(Duration::from_secs(10))
        // Shorter than any server keeps an idle connection, so that we are the ones who close it.
        .pool_idle_timeout(Duration::from_secs(15))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client with such settings can be made")
}

impl Client {
    /// Makes the client for `callee`, which is at `base`.
    #[must_use]
    pub fn new(http: reqwest::Client, callee: Workload, base: Url, auth: InternalAuth) -> Self {
        Self {
            http,
            within: None,
            base,
            callee,
            auth,
        }
    }

    /// Makes the client for `callee`, which runs in this process and has these routes.
    #[must_use]
    pub fn within(routes: Router, callee: Workload, auth: InternalAuth) -> Self {
        let base = Url::parse(&format!("http://{callee}"))
            .expect("the name of a workload is the name of a host");
        // It only builds requests, so it needs no certificates.
        let http = reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .expect("a client with such settings can be made");
        Self {
            within: Some(routes),
            ..Self::new(http, callee, base, auth)
        }
    }

    /// Prepares a call. `{…}` parts of `path` are replaced by `parameters`, in order.
    pub fn call(&self, method: Method, path: &str, parameters: &[Uuid]) -> Call<'_> {
        let mut url = self.base.clone();
        url.set_path(&fill(path, parameters));
        Call {
            client: self,
            method,
            url,
            user: None,
            request_id: RequestId::new(),
            key: None,
            body: None,
            accept: "application/json",
            header: None,
            deadline: DEADLINE,
        }
    }

    /// Prepares a `GET`.
    pub fn get(&self, path: &str, parameters: &[Uuid]) -> Call<'_> {
        self.call(Method::GET, path, parameters)
    }

    /// Prepares a `POST`.
    pub fn post(&self, path: &str, parameters: &[Uuid]) -> Call<'_> {
        self.call(Method::POST, path, parameters)
    }

    /// Prepares a `PUT`.
    pub fn put(&self, path: &str, parameters: &[Uuid]) -> Call<'_> {
        self.call(Method::PUT, path, parameters)
    }

    /// Prepares a `PATCH`, which must be of absolute values: like every method but `POST` it may be tried again.
    pub fn patch(&self, path: &str, parameters: &[Uuid]) -> Call<'_> {
        self.call(Method::PATCH, path, parameters)
    }

    /// Prepares a `DELETE`.
    pub fn delete(&self, path: &str, parameters: &[Uuid]) -> Call<'_> {
        self.call(Method::DELETE, path, parameters)
    }
}

impl Call<'_> {
    /// Acts for a user, in the course of the request that came for them.
    pub fn on_behalf_of(self, caller: &Caller) -> Self {
        Self {
            user: Some(caller.user),
            request_id: caller.request_id.clone(),
            ..self
        }
    }

    /// Passes the id of a request without a user on.
    pub fn request_id(self, request_id: &RequestId) -> Self {
        Self {
            request_id: request_id.clone(),
            ..self
        }
    }

    /// Names the intention, which also makes a `POST` one that may be tried again.
    pub fn key(self, key: &IdempotencyKey) -> Self {
        Self {
            key: Some(key.clone()),
            ..self
        }
    }

    /// Adds a query.
    pub fn query<T: Serialize>(mut self, query: &T) -> Self {
        // Through a request, whose builder owns the encoding.
        let request = self.client.http.get(self.url.clone()).query(query).build();
        self.url = request
            .expect("a query of plain fields can be written")
            .url()
            .clone();
        self
    }

    /// Adds a JSON body.
    pub fn json<T: Serialize>(self, body: &T) -> Self {
        let body =
            serde_json::to_vec(body).expect("the types of the interfaces can be written as JSON");
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Adds a header, the only one besides those that every call has.
    pub fn header(self, name: &'static str, value: &impl ToString) -> Self {
        Self {
            header: Some((name, value.to_string())),
            ..self
        }
    }

    /// Asks for server-sent events.
    pub fn events(self) -> Self {
        Self {
            accept: "text/event-stream",
            ..self
        }
    }

    /// Bounds the call with all its attempts: to the head of the answer, and for [`Call::receive`]
    /// to its end.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends it and reads the JSON answer.
    ///
    /// # Errors
    /// What the other workload said, or [`ErrorCode::Unavailable`] when it said nothing in time.
    pub async fn receive<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        self.attempts(async |response| response.json().await).await
    }

    /// Sends it and leaves the answer's body to the caller.
    ///
    /// # Errors
    /// What the other workload said, or [`ErrorCode::Unavailable`] when it said nothing in time.
    pub async fn send(self) -> Result<Response, ApiError> {
        self.attempts(async |response| Ok(response)).await
    }

    async fn attempts<T>(
        self,
        read: impl AsyncFn(Response) -> Result<T, reqwest::Error>,
    ) -> Result<T, ApiError> {
        let give_up = Instant::now() + self.deadline;
        let mut stop_trying = None;
        let idempotent = self.key.is_some() || self.method != Method::POST;
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(25))
            .with_max_delay(Duration::from_secs(1))
            .without_max_times()
            .with_jitter()
            .build();
        loop {
            let attempt = async {
                match self.exchange().await {
                    Ok(response) if response.status().is_success() => {
                        read(response).await.map_err(Failure::Broken)
                    }
                    Ok(response) => Err(Failure::Answered(refusal(response).await)),
                    Err(error) => Err(Failure::Broken(error)),
                }
            };
            let failure = match tokio::time::timeout_at(give_up, attempt).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => return Err(self.away("no answer in time")),
            };
            let delay = delays.next().unwrap_or(CONNECT);
            // A long answer may break late: the time for attempts begins when the first one fails.
            let stop_trying = *stop_trying.get_or_insert_with(|| Instant::now() + RETRIES);
            let next = Instant::now() + delay;
            let again = failure.may_be_tried_again(idempotent) && next < give_up.min(stop_trying);
            match failure {
                Failure::Answered(error) if !again => return Err(error),
                Failure::Broken(error) if error.is_decode() => {
                    return Err(ApiError::internal(&error));
                }
                Failure::Broken(error) if !again => {
                    return Err(self.away(&telemetry::chain(&error)));
                }
                Failure::Answered(error) => {
                    tracing::info!(callee = %self.client.callee, code = ?error.code, "a call is tried again");
                }
                Failure::Broken(error) => {
                    let error = telemetry::chain(&error);
                    tracing::info!(callee = %self.client.callee, error, "a call is tried again");
                }
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// Sends it once.
    async fn exchange(&self) -> Result<Response, reqwest::Error> {
        let Some(routes) = &self.client.within else {
            return self.request().send().await;
        };
        let request = self.request().build()?;
        let request = axum::http::Request::<reqwest::Body>::try_from(request)?.map(Body::new);
        let Ok(response) = routes.clone().oneshot(request).await;
        Ok(response
            .map(|body| reqwest::Body::wrap_stream(body.into_data_stream()))
            .into())
    }

    fn request(&self) -> reqwest::RequestBuilder {
        let Client {
            http, callee, auth, ..
        } = self.client;
        let mut request = http
            .request(self.method.clone(), self.url.clone())
            // A token for each attempt: they outlive no long series of attempts.
            .bearer_auth(auth.token(*callee, self.user))
            .header(REQUEST_ID, self.request_id.header())
            .header(reqwest::header::ACCEPT, self.accept);
        if let Some(key) = &self.key {
            request = request.header(IDEMPOTENCY_KEY, key.header());
        }
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        if let Some(body) = &self.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        request
    }

    fn away(&self, error: &str) -> ApiError {
        let callee = self.client.callee;
        tracing::warn!(%callee, error, "a call failed");
        ApiError::unavailable(format!(
            "the {callee} service cannot be reached at the moment; try again"
        ))
    }
}

enum Failure {
    /// The other side said no.
    Answered(ApiError),
    /// The connection failed.
    Broken(reqwest::Error),
}

impl Failure {
    fn may_be_tried_again(&self, idempotent: bool) -> bool {
        match self {
            Self::Answered(error) => idempotent && error.code == ErrorCode::Unavailable,
            Self::Broken(error) => error.is_connect() || (idempotent && !error.is_decode()),
        }
    }
}

/// Reads the error of another workload.
async fn refusal(response: Response) -> ApiError {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    match response.json::<ErrorOut>().await {
        // It is our own token that does not hold, and no business of the one who waits for us.
        Ok(body) if body.error.code == ErrorCode::Unauthenticated => {
            tracing::error!(
                message = body.error.message,
                "a call was refused as not authenticated"
            );
            ApiError::defect()
        }
        Ok(body) => {
            let error = ApiError::from(body.error);
            ApiError {
                retry_after: retry_after.or(error.retry_after),
                ..error
            }
        }
        Err(_) if status == 503 => {
            ApiError::unavailable("a part of the system cannot be used at the moment")
        }
        Err(error) => {
            tracing::error!(%status, error = telemetry::chain(&error), "an answer that is not of a workload");
            ApiError::defect()
        }
    }
}

/// Replaces the `{…}` parts of a path.
fn fill(path: &str, parameters: &[Uuid]) -> String {
    let mut filled = String::with_capacity(path.len() + 36);
    let mut parameters = parameters.iter();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').expect("a path closes its braces");
        let parameter = parameters
            .next()
            .expect("every part of the path has a parameter");
        write!(filled, "{before}{parameter}").expect("writing to a string does not fail");
        rest = after;
    }
    debug_assert!(
        parameters.next().is_none(),
        "{path} has fewer parts than parameters"
    );
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    #[test]
    fn a_path_is_filled_with_its_parameters() {
        let id = Uuid::nil();
        let path = super::fill("/c/{conversation_id}/messages", &[id]);
        assert_eq!(path, format!("/c/{id}/messages"));
        assert_eq!(super::fill("/c", &[]), "/c");
    }
}
