//! A gateway on a port of its own, and the keys its users' tokens are signed with.

use std::sync::Arc;

use chatbot_contract::Workload;
use chatbot_contract::identity::{ACCESS_TOKEN_AUDIENCE, SigningKey};
use chatbot_gateway::address::Addresses;
use chatbot_gateway::events::Events;
use chatbot_gateway::limit::{self, Limits};
use chatbot_gateway::tokens::Tokens;
use chatbot_gateway::turn::Turns;
use chatbot_gateway::{AppState, Callees, router};
use chatbot_runtime::auth::InternalAuth;
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::{Consumed, InProcessLog};
use chatbot_runtime::redis::Redis;
use chatbot_runtime::revocations::Revocations;
use chatbot_runtime::serve::{self, Listeners, Service};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::behind::{Behind, KEY};

pub(crate) const ISSUER: &str = "https://chat.example";

/// Signs access tokens as the user workload does.
pub(crate) struct Signer {
    id: String,
    key: EncodingKey,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        let SigningKey { private_key, .. } = SigningKey::generate(0);
        Self {
            id: id.to_owned(),
            key: EncodingKey::from_ec_pem(private_key.as_bytes()).unwrap(),
        }
    }

    pub(crate) fn published(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        jwk
    }

    /// A token that is valid, except for what `changes` says.
    pub(crate) fn token(&self, user: Uuid, changes: &[(&str, serde_json::Value)]) -> String {
        let exp = jsonwebtoken::get_current_timestamp() + 600;
        let mut claims =
            json!({"iss": ISSUER, "aud": ACCESS_TOKEN_AUDIENCE, "sub": user, "exp": exp});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

/// Server-sent events as they come.
pub(crate) struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    /// The data of the next event.
    pub(crate) async fn next(&mut self) -> serde_json::Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return data;
                }
            } else {
                let chunk = self.response.chunk().await.unwrap().unwrap();
                self.text.push_str(str::from_utf8(&chunk).unwrap());
            }
        }
    }
}

pub(crate) struct Gateway {
    pub(crate) chat: Behind,
    pub(crate) user: Behind,
    pub(crate) storage: Behind,
    pub(crate) log: Arc<InProcessLog>,
    pub(crate) signer: Signer,
    pub(crate) person: Uuid,
    pub(crate) address: String,
    pub(crate) admin: String,
    pub(crate) http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::with(&limit::Config::default()).await
    }

    pub(crate) async fn with(limits: &limit::Config) -> Self {
        Self::with_redis(limits, None).await
    }

    pub(crate) async fn with_redis(limits: &limit::Config, redis: Option<Redis>) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let signer = Signer::new("k1");
        let keys = JwkSet {
            keys: vec![signer.published()],
        };
        let chat = Behind::new(Workload::Chat, JwkSet { keys: Vec::new() });
        let user = Behind::new(Workload::User, keys);
        let storage = Behind::new(Workload::Storage, JwkSet { keys: Vec::new() });
        let auth = InternalAuth::new(KEY, Workload::Gateway);
        let http = client::http();
        let callee = |workload, base: String| {
            Client::new(http.clone(), workload, base.parse().unwrap(), auth.clone())
        };
        let callees = Callees {
            user: callee(Workload::User, user.clone().serve().await),
            chat: callee(Workload::Chat, chat.clone().serve().await),
            storage: callee(Workload::Storage, storage.clone().serve().await),
        };
        let context = Context::new(Workload::Gateway);
        let revocations = Revocations::new(redis.clone());
        let tokens = Tokens::new(callees.user.clone(), ISSUER, revocations);
        let (events, log) = (Events::default(), Arc::new(InProcessLog::default()));
        let gate = context.health.gate("keys");
        let limits = Limits::new(limits, redis.clone()).unwrap();
        let turns = Turns::new(
            callees.chat.clone(),
            limits.clone(),
            context.shutdown.clone(),
        );
        let state = AppState {
            tokens: tokens.clone(),
            callees,
            turns,
            limits,
            addresses: Addresses {
                trust_forwarded_for: true,
            },
            events: Some(events.clone()),
            shutdown: context.shutdown.clone(),
        };
        let following = events.follow(log.clone(), Consumed::new(&context.metrics));
        let service = Service::new(router(state))
            .background("keys", tokens.follow(gate))
            .background("events", following);
        let probes = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = probes.local_addr().unwrap().to_string();
        let listeners = Listeners {
            interface: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            admin: Some(probes),
        };
        let address = listeners.interface.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            serve::run(listeners, service, context, std::time::Duration::ZERO, stop)
                .await
                .unwrap();
        });
        Self {
            chat,
            user,
            storage,
            log,
            signer,
            person: Uuid::now_v7(),
            address,
            admin,
            http: reqwest::Client::new(),
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    pub(crate) fn token(&self) -> String {
        self.signer.token(self.person, &[])
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.url(path)).bearer_auth(self.token())
    }

    /// Begins to read the person's events.
    pub(crate) async fn events(&self) -> Stream {
        let response = self.get("/v1/events").send().await.unwrap();
        assert_eq!(response.status(), 200);
        Stream {
            response,
            text: String::new(),
        }
    }

    pub(crate) fn chat(&self, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.http
            .post(self.url("/v1/chat"))
            .bearer_auth(self.token())
            .json(body)
    }

    /// Asks it to end.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) {
        self.serving.take().unwrap().await.unwrap();
    }
}
