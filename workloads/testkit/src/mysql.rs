//! A real MySQL server for tests: the program of a Debian root filesystem, run through `chroot`.
//!
//! The folder of that root filesystem stands in [`ROOT`]; a missing one fails the test with a
//! sentence that says how to get it, because a test that skips itself proves nothing.
//!
//! A data folder is initialised once and kept beside the program; each server starts on a copy of
//! it (about a second instead of ten). A server dies with the value that stands for it, and with
//! the process that started it, however that process ends.

mod group;
mod server;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

pub use group::Group;

use crate::certificates::Certificate;

/// Environment variable with the folder of the root filesystem that holds MySQL 9.7.
pub const ROOT: &str = "CHATBOT_TEST_MYSQLD_ROOT";

/// Account that may do everything, on every server started here.
const ADMIN: &str = "testkit";

/// How long a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Why there is no server to test with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said where MySQL is.
    #[error(
        "{ROOT} is not set: these tests run against a real MySQL; set it to the folder of a root filesystem with \
         MySQL 9.7, for example one made by `mmdebstrap --variant=minbase --include=mysql-server \
         --aptopt='Acquire::Check-Valid-Until \"false\"' sid FOLDER` (`make test` does so)"
    )]
    NoRoot,
    /// The folder holds no server.
    #[error("there is no usr/sbin/mysqld in {}, which {ROOT} names", .0.display())]
    NoProgram(PathBuf),
    /// The folder has no account to run the server with.
    #[error("there is no account `mysql` in {}", .0.display())]
    NoAccount(PathBuf),
    /// A program could not be run.
    #[error("failed to run {0}")]
    Run(&'static str, #[source] std::io::Error),
    /// A program ended with a failure.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The end of what it wrote.
        output: String,
    },
    /// The server ended, or did not answer in time.
    #[error("mysqld did not start; the end of its log: {0}")]
    NotStarted(String),
    /// A statement failed.
    #[error("failed to prepare the server")]
    Sql(#[from] sqlx::Error),
}

/// A running server. It is killed when the value is dropped.
pub struct Mysql {
    server: server::Server,
    admin_password: String,
}

/// A schema of its own and the account that owns it.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// Server, `host:port`.
    pub address: String,
    /// Account.
    pub user: String,
    /// Password.
    pub password: String,
    /// Schema.
    pub schema: String,
}

impl Mysql {
    /// Gives the server that all tests of this process share, and starts it where it does not run.
    ///
    /// # Errors
    /// Fails when there is no MySQL to run, or when it does not start.
    pub async fn shared() -> Result<Arc<Self>, Error> {
        static SHARED: Mutex<Weak<Mysql>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start(&[]).await?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Starts a server of its own, with more options for `mysqld`.
    ///
    /// # Errors
    /// Fails when there is no MySQL to run, or when it does not start.
    pub async fn start(options: &[String]) -> Result<Self, Error> {
        Self::start_with(options, Uuid::new_v4().simple().to_string(), None).await
    }

    /// Starts a server of its own that shows this certificate.
    ///
    /// # Errors
    /// Fails when there is no MySQL to run, or when it does not start.
    pub async fn start_with_tls(certificate: &Certificate) -> Result<Self, Error> {
        Self::start_with(&[], Uuid::new_v4().simple().to_string(), Some(certificate)).await
    }

    async fn start_with(
        options: &[String],
        admin_password: String,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        let root = root()?;
        let account = format!(
            "SET sql_log_bin = 0;\n\
             CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{admin_password}';\n\
             GRANT ALL ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
        );
        let server = server::Server::start(root, account, options.to_vec(), certificate).await?;
        let mysql = Self {
            server,
            admin_password,
        };
        mysql.wait_until_it_answers().await?;
        Ok(mysql)
    }

    /// The TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    /// Opens a connection of the administrator.
    ///
    /// # Errors
    /// Fails when the server does not take it.
    pub async fn admin(&self) -> Result<MySqlConnection, sqlx::Error> {
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.server.port)
            .username(ADMIN)
            .password(&self.admin_password)
            .ssl_mode(MySqlSslMode::Required)
            .connect()
            .await
    }

    /// Runs statements as the administrator.
    ///
    /// # Errors
    /// Fails when a statement does.
    pub async fn execute(&self, statements: &[String]) -> Result<(), sqlx::Error> {
        let mut connection = self.admin().await?;
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement.clone()))
                .execute(&mut connection)
                .await?;
        }
        connection.close().await
    }

    /// Makes an empty schema and an account that may do everything in it and read who is primary.
    ///
    /// # Errors
    /// Fails when the server refuses.
    pub async fn database(&self) -> Result<TestDatabase, sqlx::Error> {
        let name = format!("t{}", Uuid::new_v4().simple());
        let database = TestDatabase {
            address: self.address(),
            user: name.get(..32).unwrap_or(&name).to_owned(),
            password: Uuid::new_v4().simple().to_string(),
            schema: name,
        };
        let TestDatabase {
            user,
            password,
            schema,
            ..
        } = &database;
        self.execute(&[
            format!("CREATE SCHEMA {schema}"),
            format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'"),
            format!("GRANT ALL ON {schema}.* TO '{user}'@'%'"),
            format!("GRANT SELECT ON performance_schema.replication_group_members TO '{user}'@'%'"),
        ])
        .await?;
        Ok(database)
    }

    /// Kills the server as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        self.server.guard.stop();
    }

    /// Stops the server's process from running, without ending it (SIGSTOP).
    ///
    /// # Errors
    /// Fails when `kill` cannot be run.
    pub fn pause(&self) -> Result<(), Error> {
        self.server
            .guard
            .signal("STOP")
            .map_err(|source| Error::Run("kill", source))
    }

    async fn wait_until_it_answers(&self) -> Result<(), Error> {
        let answers = async {
            loop {
                match self.admin().await {
                    Ok(connection) => return connection.close().await.map_err(Error::from),
                    Err(_) if self.server.guard.ended() => {
                        return Err(Error::NotStarted(self.server.log()));
                    }
                    // There is nothing to be told by: a closed port is asked again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(START_LIMIT, answers)
            .await
            .unwrap_or_else(|_| Err(Error::NotStarted(self.server.log())))
    }
}

fn root() -> Result<PathBuf, Error> {
    let root = std::env::var_os(ROOT)
        .filter(|value| !value.is_empty())
        .ok_or(Error::NoRoot)?;
    let root = PathBuf::from(root);
    if Path::new(&root).join("usr/sbin/mysqld").exists() {
        Ok(root)
    } else {
        Err(Error::NoProgram(root))
    }
}
