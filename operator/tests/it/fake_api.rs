//! An API server in memory: objects by path, with resource versions, uids, and the conflicts that
//! come of them. It does not know schemas or field managers: an apply is merged into what is there.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// The server.
#[derive(Clone, Default)]
pub(crate) struct FakeApi {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    reads: usize,
    version: u64,
}

impl FakeApi {
    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        Client::new(
            tower::service_fn(move |request: Request<Body>| {
                let api = api.clone();
                async move { Ok::<_, Infallible>(api.answer(request).await) }
            }),
            "default",
        )
    }

    /// Puts an object there, as somebody else.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state.lock().unwrap().store(path, object);
    }

    /// The object at this path.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }

    /// The writes since the last call: method and path.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().writes)
    }

    /// How often something was read or written.
    pub(crate) fn requests(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.reads + state.writes.len()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let answer = self
            .state
            .lock()
            .unwrap()
            .answer(&parts.method, &path, body);
        let (code, body) = match answer {
            Ok(body) => (StatusCode::OK, body),
            Err(code) => (
                code,
                json!({
                    "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code.as_u16(),
                    "message": code.to_string(), "reason": if code == StatusCode::NOT_FOUND { "NotFound" } else { "Conflict" },
                }),
            ),
        };
        Response::builder()
            .status(code)
            .body(Body::from(serde_json::to_vec(&body).unwrap()))
            .unwrap()
    }
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, body: Value) -> Result<Value, StatusCode> {
        let target = path.strip_suffix("/status").unwrap_or(path);
        if *method == Method::GET {
            self.reads += 1;
            return self.read(target);
        }
        self.writes.push(format!("{method} {path}"));
        let live = self.objects.get(target).cloned();
        match *method {
            Method::POST => {
                let name = body["metadata"]["name"]
                    .as_str()
                    .unwrap_or("event")
                    .to_owned();
                let path = format!("{target}/{name}");
                if self.objects.contains_key(&path) {
                    return Err(StatusCode::CONFLICT);
                }
                Ok(self.store(&path, body))
            }
            Method::PUT => {
                let live = live.ok_or(StatusCode::NOT_FOUND)?;
                check(&live, &body)?;
                Ok(self.store(target, body))
            }
            Method::PATCH => {
                let mut merged = live.clone().unwrap_or_else(|| json!({"metadata": {}}));
                if let Some(live) = &live {
                    check(live, &body)?;
                }
                merge(&mut merged, body);
                Ok(self.store(target, merged))
            }
            _ => self.objects.remove(target).ok_or(StatusCode::NOT_FOUND),
        }
    }

    /// The object at a path, or the list of those right below it.
    fn read(&self, path: &str) -> Result<Value, StatusCode> {
        if let Some(object) = self.objects.get(path) {
            return Ok(object.clone());
        }
        let plural = path.rsplit('/').next().unwrap_or_default();
        if !plural.ends_with('s') || plural.contains('-') {
            return Err(StatusCode::NOT_FOUND);
        }
        let below = format!("{path}/");
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .map(|(_, object)| object.clone())
            .collect();
        Ok(json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}))
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// A write that names another version or another object than the one that is there is a conflict.
fn check(live: &Value, body: &Value) -> Result<(), StatusCode> {
    for field in ["resourceVersion", "uid"] {
        let named = &body["metadata"][field];
        if !named.is_null() && *named != live["metadata"][field] {
            return Err(StatusCode::CONFLICT);
        }
    }
    Ok(())
}

fn merge(live: &mut Value, body: Value) {
    match (live, body) {
        (Value::Object(live), Value::Object(body)) => {
            for (key, value) in body {
                merge(live.entry(key).or_insert(Value::Null), value);
            }
        }
        (live, body) => *live = body,
    }
}
