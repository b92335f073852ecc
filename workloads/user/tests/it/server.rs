//! The workload with a database of its own, on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_contract::identity::{SigningKey, SigningKeys};
use chatbot_runtime::auth::InternalAuth;
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::context::Context;
use chatbot_runtime::layers;
use chatbot_runtime::revocations::Revocations;
use chatbot_user::Registration;
use chatbot_user::accounts::{Accounts, Lives};
use chatbot_user::http::{AppState, router};
use chatbot_user::keys::Keys;
use chatbot_user::password::Passwords;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::backend::Backend;

pub(crate) const ISSUER: &str = "https://chat.example";

const KEY: [u8; 32] = [7; 32];

pub(crate) struct Server<B: Backend> {
    pub(crate) backend: B,
    pub(crate) client: Client,
    pub(crate) accounts: Arc<Accounts<B::Store>>,
    base: String,
    serving: JoinHandle<()>,
}

impl<B: Backend> Drop for Server<B> {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl<B: Backend> Server<B> {
    pub(crate) async fn start(registration: Registration) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let backend = B::new().await;
        let accounts = Arc::new(Accounts {
            store: backend.store(),
            passwords: Passwords::new(),
            keys: tokio::sync::watch::Sender::new(Arc::new(keys())).subscribe(),
            issuer: ISSUER.to_owned(),
            registration,
            lives: Lives {
                access: Duration::from_secs(900),
                refresh: Duration::from_secs(3600),
            },
            revocations: Revocations::new(None),
            mails: true,
        });
        let auth = InternalAuth::new(KEY, Workload::User);
        let routes = router(AppState {
            accounts: Arc::clone(&accounts),
            auth,
        });
        let routes = layers::wrap(routes, &Context::new(Workload::User));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let gateway = InternalAuth::new(KEY, Workload::Gateway);
        let client = Client::new(
            client::http(),
            Workload::User,
            base.parse().unwrap(),
            gateway,
        );
        Self {
            backend,
            client,
            accounts,
            base,
            serving,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn keys() -> Keys {
    Keys::new(SigningKeys {
        keys: vec![SigningKey::generate(0)],
    })
    .unwrap()
}
