//! The workload with a schema of its own, on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_contract::identity::{SigningKey, SigningKeys};
use chatbot_runtime::auth::InternalAuth;
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::context::Context;
use chatbot_runtime::layers;
use chatbot_runtime::mysql::{self, Database, Topology};
use chatbot_runtime::revocations::Revocations;
use chatbot_testkit::mysql::Mysql;
use chatbot_user::accounts::{Accounts, Lives};
use chatbot_user::http::{AppState, router};
use chatbot_user::keys::Keys;
use chatbot_user::password::Passwords;
use chatbot_user::store::MysqlStore;
use chatbot_user::{MIGRATIONS, Registration};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const ISSUER: &str = "https://chat.example";

const KEY: [u8; 32] = [7; 32];

pub(crate) struct Server {
    pub(crate) mysql: Arc<Mysql>,
    pub(crate) schema: String,
    pub(crate) client: Client,
    pub(crate) accounts: Arc<Accounts<MysqlStore>>,
    base: String,
    serving: JoinHandle<()>,
    _password: tempfile::NamedTempFile,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub(crate) async fn start(registration: Registration) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mysql = Mysql::shared().await.unwrap();
        let test = mysql.database().await.unwrap();
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), &test.password).unwrap();
        let database = Database::new(mysql::Config {
            hosts: vec![mysql.address().parse().unwrap()],
            topology: Topology::Single,
            user: test.user,
            password_file: password.path().to_owned(),
            schema: test.schema.clone(),
            deadline: Duration::from_secs(30),
        });
        mysql::migrate(&database, &MIGRATIONS).await.unwrap();
        // Again, as an upgrade does.
        mysql::migrate(&database, &MIGRATIONS).await.unwrap();

        let accounts = Arc::new(Accounts {
            store: MysqlStore::new(database),
            passwords: Passwords::new(),
            keys: tokio::sync::watch::Sender::new(Arc::new(keys())).subscribe(),
            issuer: ISSUER.to_owned(),
            registration,
            lives: Lives {
                access: Duration::from_secs(900),
                refresh: Duration::from_secs(3600),
            },
            revocations: Revocations::new(None),
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
            mysql,
            schema: test.schema,
            client,
            accounts,
            base,
            serving,
            _password: password,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn keys() -> Keys {
    let secret = p256::SecretKey::random(&mut OsRng);
    let private_key = secret.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    Keys::new(SigningKeys {
        keys: vec![SigningKey {
            id: "k1".to_owned(),
            private_key,
            signs_from: 0,
        }],
    })
    .unwrap()
}
