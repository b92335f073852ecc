//! A gateway on a port of its own, and the keys its users' tokens are signed with.

use chatbot_contract::Workload;
use chatbot_contract::identity::{ACCESS_TOKEN_AUDIENCE, SigningKey};
use chatbot_gateway::tokens::Tokens;
use chatbot_gateway::{AppState, Callees, router};
use chatbot_runtime::auth::InternalAuth;
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::context::Context;
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

pub(crate) struct Gateway {
    pub(crate) chat: Behind,
    pub(crate) user: Behind,
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
            storage: callee(Workload::Storage, storage.serve().await),
        };
        let context = Context::new(Workload::Gateway);
        let tokens = Tokens::new(callees.user.clone(), ISSUER);
        let gate = context.health.gate("keys");
        let state = AppState {
            tokens: tokens.clone(),
            callees,
            shutdown: context.shutdown.clone(),
        };
        let service = Service::new(router(state)).background("keys", tokens.follow(gate));
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
