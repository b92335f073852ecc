//! A document store for tests: FerretDB on a PostgreSQL with DocumentDB.

mod process;

use std::path::PathBuf;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, Credential, ServerAddress};
use mongodb::{Client, Collection};

use process::Process;

use crate::certificates::Certificate;

/// Environment variable with the folder of the root filesystem that holds PostgreSQL with DocumentDB.
pub const POSTGRES_ROOT: &str = "CHATBOT_TEST_DOCUMENTDB_ROOT";
/// Environment variable with the folder of the root filesystem that holds FerretDB.
pub const FERRETDB_ROOT: &str = "CHATBOT_TEST_FERRETDB_ROOT";
/// The account of the workloads.
pub const USER: &str = "workload";
/// Its password: these servers listen on 127.0.0.1 alone, as long as a test runs.
pub const PASSWORD: &str = "testkit-password";

/// How long the two may take until they answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(2);

/// Why there is no document store to test with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said where a program is.
    #[error(
        "{0} is not set: these tests run against a real document store; `dev-cluster/images rootfs` unpacks one, and \
         `make test` names it"
    )]
    NoRoot(&'static str),
    /// A folder has no account to run its program with.
    #[error("there is no account `{user}` in {}", .root.display())]
    NoAccount {
        /// The folder.
        root: PathBuf,
        /// The account.
        user: &'static str,
    },
    /// A program could not be run.
    #[error("failed to run the document store")]
    Run(#[from] std::io::Error),
    /// A program that must come first failed.
    #[error("{0} failed: {1}")]
    Failed(&'static str, String),
    /// The store ended, or did not answer in time.
    #[error("the document store did not start; the end of its log: {0}")]
    NotStarted(String),
    /// A command failed.
    #[error("a command of the test failed at the document store")]
    Mongo(#[from] mongodb::error::Error),
}

/// A running document store. It is killed when the value is dropped.
pub struct Documents {
    process: Process,
}

impl Documents {
    /// Starts a store of its own, empty, with the account of the workloads.
    ///
    /// # Errors
    /// Fails when there are no programs to run, or when they do not start.
    pub async fn start() -> Result<Self, Error> {
        Self::start_process("", None).await
    }

    /// Starts one whose PostgreSQL has these lines of settings, too; they count more than those of tests.
    ///
    /// # Errors
    /// Fails when there are no programs to run, or when they do not start.
    pub async fn start_with(settings: &str) -> Result<Self, Error> {
        Self::start_process(settings, None).await
    }

    /// Starts a store of its own that also speaks TLS, at another port.
    ///
    /// # Errors
    /// Fails when there are no programs to run, or when they do not start.
    pub async fn start_with_tls(certificate: &Certificate) -> Result<Self, Error> {
        Self::start_process("", Some(certificate)).await
    }

    async fn start_process(
        settings: &str,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        let process = Process::start(settings, certificate).await?;
        let documents = Self { process };
        documents.answers().await?;
        Ok(documents)
    }

    /// `host:port` of FerretDB.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.process.port())
    }

    /// The port on 127.0.0.1 where FerretDB speaks TLS.
    ///
    /// # Panics
    /// When it was started without.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.process.tls_port().expect("it speaks TLS")
    }

    /// Kills FerretDB as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts FerretDB again at its address, with the data that was there.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub async fn start_again(&self) -> Result<(), Error> {
        self.process.start_again()?;
        self.answers().await
    }

    /// A collection, as the account of the workloads.
    ///
    /// # Errors
    /// Fails when the client cannot be made.
    pub fn collection(&self, database: &str, name: &str) -> Result<Collection<Document>, Error> {
        Ok(self.client()?.database(database).collection(name))
    }

    fn client(&self) -> Result<Client, Error> {
        let credential = Credential::builder()
            .username(USER.to_owned())
            .password(PASSWORD.to_owned())
            .source("admin".to_owned())
            .build();
        let address = ServerAddress::Tcp {
            host: "127.0.0.1".to_owned(),
            port: Some(self.process.port()),
        };
        let options = ClientOptions::builder()
            .hosts(vec![address])
            .credential(credential)
            .server_selection_timeout(TRY_LIMIT)
            .build();
        Ok(Client::with_options(options)?)
    }

    async fn answers(&self) -> Result<(), Error> {
        let client = self.client()?;
        let answers = async {
            // There is nothing to be told by: it is asked again. The account is checked with it.
            while client
                .database("admin")
                .run_command(doc! {"listDatabases": 1})
                .await
                .is_err()
            {
                if self.process.ended() {
                    return Err(Error::NotStarted(self.process.log()));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        tokio::time::timeout(START_LIMIT, answers)
            .await
            .unwrap_or_else(|_| Err(Error::NotStarted(self.process.log())))
    }
}
