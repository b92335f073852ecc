//! The stand-in's HTTP interface.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use super::directive::{Break, Directive};
use super::{Groq, MODELS, Recorded, answer, error};

/// Chunk of a stream, or the way in which the connection breaks.
type Chunk = Result<Bytes, std::io::Error>;

pub(super) fn router(groq: Groq) -> Router {
    Router::new()
        .route("/openai/v1/models", get(models))
        .route("/openai/v1/models/{*id}", get(model))
        .route("/openai/v1/chat/completions", post(chat))
        .route("/livez", get(|| async { StatusCode::OK }))
        .with_state(groq)
}

/// Whether the key is one that is accepted.
fn authorized(groq: &Groq, headers: &HeaderMap) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    groq.memory(|memory| match &memory.api_key {
        Some(key) => given.and_then(|value| value.strip_prefix("Bearer ")) == Some(key),
        None => true,
    })
}

fn model_object(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_693_721_698, "owned_by": "Groq", "active": true, "context_window": 131_072})
}

async fn models(State(groq): State<Groq>, headers: HeaderMap) -> Response {
    if !authorized(&groq, &headers) {
        return error::of(401);
    }
    let data: Vec<Value> = MODELS.into_iter().map(model_object).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

async fn model(State(groq): State<Groq>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match authorized(&groq, &headers) {
        false => error::of(401),
        true if MODELS.contains(&id.as_str()) => Json(model_object(&id)).into_response(),
        true => error::of(404),
    }
}

async fn chat(State(groq): State<Groq>, headers: HeaderMap, body: Bytes) -> Response {
    if !authorized(&groq, &headers) {
        return error::of(401);
    }
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    let Request {
        model,
        prompt,
        message,
        recorded,
    } = request;
    let stream = recorded.stream;
    let include_usage = recorded
        .body
        .pointer("/stream_options/include_usage")
        .and_then(Value::as_bool)
        == Some(true);
    groq.memory(|memory| memory.requests.push(recorded));

    let asked = Directive::in_message(&message).or_else(|| Directive::in_model(&model));
    let mut directive = asked.unwrap_or_default();
    if directive
        .times
        .is_some_and(|times| groq.count(&format!("{model} {message}")) >= times)
    {
        directive = Directive::default();
    }
    if directive.hang {
        std::future::pending::<Infallible>().await;
    }
    tokio::time::sleep(directive.first).await;
    if let Some(status) = directive.status {
        return error::asked_for(status, &directive);
    }
    if !MODELS.contains(&model.as_str()) && !model.starts_with("mock-") {
        return error::of(404);
    }

    let text = answer::text(&message, &directive);
    let said = Said {
        id: format!("chatcmpl-{}", Uuid::new_v4()),
        request: format!("req_{}", Uuid::new_v4().simple()),
        created: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs(),
        usage: if directive.no_usage {
            Value::Null
        } else {
            answer::usage(&prompt, &text)
        },
        finish: directive
            .finish
            .clone()
            .unwrap_or_else(|| "stop".to_owned()),
        include_usage,
        model,
        text,
    };
    let limits = limits(&said);
    if stream {
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (limits, headers, Body::from_stream(said.stream(directive))).into_response()
    } else {
        (limits, Json(said.whole())).into_response()
    }
}

/// A chat request that can be answered.
struct Request {
    model: String,
    prompt: String,
    message: String,
    recorded: Recorded,
}

impl Request {
    /// Refuses what the real API refuses.
    fn parse(body: &[u8]) -> Result<Self, Box<Response>> {
        let refuse = |message: &str, param: &str| Box::new(error::bad_request(message, param));
        let body: Value = serde_json::from_slice(body).map_err(|_| refuse("invalid JSON", ""))?;
        let model = body
            .get("model")
            .and_then(Value::as_str)
            .ok_or_else(|| refuse("`model` is required", "model"))?;
        let messages = body
            .get("messages")
            .and_then(Value::as_array)
            .filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| refuse("`messages` is required", "messages"))?;
        for unsupported in ["logprobs", "logit_bias", "top_logprobs"] {
            if body.get(unsupported).is_some_and(|value| !value.is_null()) {
                return Err(refuse(
                    &format!("`{unsupported}` is not supported"),
                    unsupported,
                ));
            }
        }
        if body
            .get("n")
            .and_then(Value::as_u64)
            .is_some_and(|n| n != 1)
        {
            return Err(refuse("`n` must be 1", "n"));
        }
        let mut texts = Vec::new();
        for message in messages {
            let role = message.get("role").and_then(Value::as_str);
            let content = message.get("content").and_then(Value::as_str);
            let (Some(role), Some(content)) = (role, content) else {
                return Err(refuse(
                    "each message needs `role` and `content`",
                    "messages",
                ));
            };
            if message.get("name").is_some() || !["system", "user", "assistant"].contains(&role) {
                return Err(refuse(
                    "a message has an unsupported field or role",
                    "messages",
                ));
            }
            texts.push((role.to_owned(), content.to_owned()));
        }
        let last = texts
            .iter()
            .rev()
            .find(|(role, _)| role == "user")
            .map(|(_, content)| content.clone());
        let prompt: Vec<&str> = texts.iter().map(|(_, content)| content.as_str()).collect();
        Ok(Self {
            model: model.to_owned(),
            prompt: prompt.join("\n"),
            message: last.unwrap_or_default(),
            recorded: Recorded {
                model: model.to_owned(),
                stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
                messages: texts,
                body,
            },
        })
    }
}

/// An answer, before it is written down in one of the two shapes.
struct Said {
    id: String,
    request: String,
    created: u64,
    model: String,
    text: String,
    usage: Value,
    finish: String,
    /// Whether a further chunk, without choices, shall tell the usage.
    include_usage: bool,
}

impl Said {
    fn whole(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{
                "index": 0, "logprobs": null, "finish_reason": self.finish,
                "message": {"role": "assistant", "content": self.text},
            }],
            "usage": self.usage, "system_fingerprint": "fp_mock", "x_groq": {"id": self.request},
        })
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, x_groq: Option<Value>) -> Chunk {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "system_fingerprint": "fp_mock",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if let (Some(x_groq), Some(fields)) = (x_groq, chunk.as_object_mut()) {
            fields.insert("x_groq".to_owned(), x_groq);
        }
        data(&chunk)
    }

    /// The events of a stream, at the times the directive asks for.
    fn stream(self, directive: Directive) -> impl futures::Stream<Item = Chunk> {
        async_stream::stream! {
            yield self.chunk(&json!({"role": "assistant", "content": ""}), None, Some(json!({"id": self.request})));
            let pieces = answer::pieces(&self.text, directive.chunks);
            for (number, piece) in pieces.iter().enumerate() {
                if let Some((way, at)) = directive.breaks && at == number {
                    match way {
                        Break::Error => yield data(&error::body(500)),
                        Break::ErrorEvent => yield Ok(format!("event: error\ndata: {}\n\n", error::body(500)).into()),
                        Break::Stopped => {
                            let x_groq = json!({"id": self.request, "error": "over capacity", "usage": self.usage});
                            yield self.chunk(&json!({}), Some("stop"), Some(x_groq));
                        }
                        Break::Stall => std::future::pending::<()>().await,
                        Break::Cut => {
                            // Once the stream has to wait, what was said so far is written.
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            yield Err(std::io::ErrorKind::ConnectionReset.into());
                        }
                    }
                    return;
                }
                if number > 0 {
                    tokio::time::sleep(directive.delay).await;
                }
                yield self.chunk(&json!({"content": piece}), None, None);
            }
            let mut x_groq = json!({"id": self.request});
            if let (false, Some(fields)) = (self.usage.is_null(), x_groq.as_object_mut()) {
                fields.insert("usage".to_owned(), self.usage.clone());
            }
            yield self.chunk(&json!({}), Some(&self.finish), Some(x_groq));
            if self.include_usage && !self.usage.is_null() {
                yield data(&json!({
                    "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
                    "choices": [], "usage": self.usage,
                }));
            }
            yield Ok(Bytes::from_static(b"data: [DONE]\n\n"));
        }
    }
}

fn data(value: &Value) -> Chunk {
    Ok(format!("data: {value}\n\n").into())
}

/// The headers with which every good answer tells the limits: requests a day, tokens a minute.
fn limits(said: &Said) -> HeaderMap {
    let used = said
        .usage
        .get("total_tokens")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-ratelimit-limit-requests", "14400");
    set("x-ratelimit-limit-tokens", "250000");
    set("x-ratelimit-remaining-requests", "14370");
    set(
        "x-ratelimit-remaining-tokens",
        &250_000_u64.saturating_sub(used).to_string(),
    );
    set("x-ratelimit-reset-requests", "2m59.56s");
    set("x-ratelimit-reset-tokens", "7.66s");
    set("x-request-id", &said.request);
    headers
}
