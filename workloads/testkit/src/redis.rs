//! A real Redis for tests: one server, or three with three Sentinels, with the accounts of the contract.
//!
//! The program comes from the root filesystem that [`ROOT`] names and runs through `chroot`; a missing
//! one fails the test with a sentence that says how to get it. Servers keep nothing on disk.

mod process;
mod set;

use std::path::PathBuf;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, cmd};
use chatbot_contract::redis::{
    ADMIN_ACCOUNT, KEY_PREFIX, REPLICATION_ACCOUNT, SENTINEL_ACCOUNT, WORKLOAD_ACCOUNT,
};

use process::Process;
pub use set::Set;

use crate::certificates::Certificate;

/// Environment variable with the folder of the root filesystem that holds Redis 8.0.
pub const ROOT: &str = "CHATBOT_TEST_REDIS_ROOT";

/// The password of every account: these servers listen on 127.0.0.1 alone, as long as a test runs.
pub const PASSWORD: &str = "testkit";

/// How long a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no server to test with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said where Redis is.
    #[error(
        "{ROOT} is not set: these tests run against a real Redis; set it to the folder of a root filesystem with \
         Redis 8.0, for example one made by `mmdebstrap --variant=minbase --include=redis-server,redis-sentinel \
         --aptopt='Acquire::Check-Valid-Until \"false\"' sid FOLDER` (`make test` does so)"
    )]
    NoRoot,
    /// The folder holds no server.
    #[error("there is no usr/bin/redis-server in {}, which {ROOT} names", .0.display())]
    NoProgram(PathBuf),
    /// The folder has no account to run the server with.
    #[error("there is no account `redis` in {}", .0.display())]
    NoAccount(PathBuf),
    /// A program could not be run.
    #[error("failed to run redis-server")]
    Run(#[from] std::io::Error),
    /// The server ended, or did not answer in time.
    #[error("redis-server did not start; the end of its log: {0}")]
    NotStarted(String),
    /// A command failed.
    #[error("a command of the test failed at Redis")]
    Redis(#[from] ::redis::RedisError),
}

/// A running server. It is killed when the value is dropped.
pub struct Redis {
    process: Process,
}

impl Redis {
    /// Starts a server of its own.
    ///
    /// # Errors
    /// Fails when there is no Redis to run, or when it does not start.
    pub async fn start() -> Result<Self, Error> {
        Self::answering(Process::new(&server())?).await
    }

    /// Starts a server of its own that also speaks TLS, at another port, and asks its clients for no certificate.
    ///
    /// # Errors
    /// Fails when there is no Redis to run, or when it does not start.
    pub async fn start_with_tls(certificate: &Certificate) -> Result<Self, Error> {
        Self::answering(Process::with_tls(&server(), certificate)?).await
    }

    async fn start_with(options: &str) -> Result<Self, Error> {
        Self::answering(Process::new(&format!("{}{options}", server()))?).await
    }

    async fn answering(process: Process) -> Result<Self, Error> {
        let redis = Self { process };
        redis.answers().await?;
        Ok(redis)
    }

    /// The port on 127.0.0.1 where it speaks TLS.
    ///
    /// # Panics
    /// When it was started without.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.process.tls_port.expect("it speaks TLS")
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.process.address()
    }

    /// Opens a connection of the administrator.
    ///
    /// # Errors
    /// Fails when the server does not take it.
    pub async fn admin(&self) -> Result<MultiplexedConnection, Error> {
        self.process.admin().await
    }

    /// Removes everything (`FLUSHALL`).
    ///
    /// # Errors
    /// Fails when the server does not do it.
    pub async fn flush(&self) -> Result<(), Error> {
        let mut admin = self.admin().await?;
        Ok(cmd("FLUSHALL").arg("SYNC").query_async(&mut admin).await?)
    }

    /// Kills the server as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        self.process.guard().stop();
    }

    /// Starts the server again at its address, empty.
    ///
    /// # Errors
    /// Fails when it does not start.
    pub async fn start_again(&self) -> Result<(), Error> {
        self.process.start_again()?;
        self.answers().await
    }

    /// Stops the server's process from running, without ending it (SIGSTOP).
    ///
    /// # Errors
    /// Fails when `kill` cannot be run.
    pub fn pause(&self) -> Result<(), Error> {
        Ok(self.process.guard().signal("STOP")?)
    }

    /// Lets a paused server go on (SIGCONT).
    ///
    /// # Errors
    /// Fails when `kill` cannot be run.
    pub fn go_on(&self) -> Result<(), Error> {
        Ok(self.process.guard().signal("CONT")?)
    }

    async fn answers(&self) -> Result<(), Error> {
        self.process.until(|_| true).await.map(|_| ())
    }
}

/// The accounts of the contract, with the rights that the workloads need and no more.
fn server() -> String {
    format!(
        "save \"\"\n\
         user default off\n\
         user {ADMIN_ACCOUNT} on >{PASSWORD} ~* &* +@all\n\
         user {WORKLOAD_ACCOUNT} on >{PASSWORD} ~{KEY_PREFIX}* &{KEY_PREFIX}* +@all -@admin -@dangerous +role\n\
         user {REPLICATION_ACCOUNT} on >{PASSWORD} +psync +replconf +ping\n\
         user {SENTINEL_ACCOUNT} on >{PASSWORD} allchannels +multi +slaveof +ping +exec +subscribe \
         +config|rewrite +role +publish +info +client|setname +client|kill +script|kill\n"
    )
}

async fn connect(port: u16) -> Result<MultiplexedConnection, Error> {
    let login = RedisConnectionInfo::default()
        .set_username(ADMIN_ACCOUNT)
        .set_password(PASSWORD);
    let info = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port).into_connection_info()?;
    let client = Client::open(info.set_redis_settings(login))?;
    Ok(client.get_multiplexed_async_connection().await?)
}
