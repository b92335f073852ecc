//! The process of one `redis-server`, its settings and its folder.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::cmd;

use super::{Error, ROOT, START_LIMIT, connect};
use crate::certificates::Certificate;
use crate::guard::{Account, Guard, free_port, remove_what_the_dead_left};

/// Folder of all that is made here, inside the root filesystem.
const HOME: &str = "tmp/chatbot-testkit";

/// A server's process.
pub(super) struct Process {
    port: u16,
    pub(super) tls_port: Option<u16>,
    root: PathBuf,
    account: Account,
    name: String,
    sentinel: bool,
    guard: Mutex<Arc<Guard>>,
}

impl Process {
    /// Starts a server with these settings.
    pub(super) fn new(settings: &str) -> Result<Self, Error> {
        Self::start(settings, false, None)
    }

    /// Starts a server with these settings that shows this certificate at a port of its own.
    pub(super) fn with_tls(settings: &str, certificate: &Certificate) -> Result<Self, Error> {
        Self::start(settings, false, Some(certificate))
    }

    /// Starts a Sentinel with these settings.
    pub(super) fn sentinel(settings: &str) -> Result<Self, Error> {
        Self::start(settings, true, None)
    }

    fn start(
        settings: &str,
        sentinel: bool,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let root = root()?;
        let account = Account::of(&root, "redis")?.ok_or_else(|| Error::NoAccount(root.clone()))?;
        let home = root.join(HOME);
        std::fs::create_dir_all(&home)?;
        remove_what_the_dead_left(&home);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("run-{}-{number}", std::process::id());
        let folder = home.join(&name);
        std::fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let tls_port = certificate.map(|_| free_port()).transpose()?;
        let mut settings = format!(
            "port {port}\nbind 127.0.0.1\ndir /{HOME}/{name}\nlogfile /{HOME}/{name}/log\n{settings}"
        );
        if let (Some(certificate), Some(port)) = (certificate, tls_port) {
            std::fs::write(folder.join("tls.crt"), &certificate.certificate)?;
            std::fs::write(folder.join("tls.key"), &certificate.key)?;
            settings.push_str(&format!(
                "tls-port {port}\ntls-auth-clients no\n\
                 tls-cert-file /{HOME}/{name}/tls.crt\ntls-key-file /{HOME}/{name}/tls.key\n"
            ));
        }
        let file = folder.join("redis.conf");
        std::fs::write(&file, settings)?;
        // A Sentinel writes what it learns into its settings.
        for path in [&folder, &file] {
            std::os::unix::fs::chown(path, Some(account.user), Some(account.group))?;
        }
        let guard = Mutex::new(Arc::new(run(&root, account, &name, sentinel)?));
        Ok(Self {
            port,
            tls_port,
            root,
            account,
            name,
            sentinel,
            guard,
        })
    }

    pub(super) fn start_again(&self) -> Result<(), Error> {
        let again = run(&self.root, self.account, &self.name, self.sentinel)?;
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(again);
        Ok(())
    }

    pub(super) fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.guard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) async fn admin(&self) -> Result<MultiplexedConnection, Error> {
        connect(self.port).await
    }

    /// Waits until `INFO` is as `wanted` says; gives it.
    pub(super) async fn until(&self, wanted: impl Fn(&str) -> bool) -> Result<String, Error> {
        let answers = async {
            loop {
                if let Ok(mut admin) = self.admin().await
                    && let Ok(info) = cmd("INFO").query_async::<String>(&mut admin).await
                    && wanted(&info)
                {
                    return Ok(info);
                }
                if self.guard().ended() {
                    return Err(Error::NotStarted(self.log()));
                }
                // There is nothing to be told by: it is asked again.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_LIMIT, answers)
            .await
            .unwrap_or_else(|_| Err(Error::NotStarted(self.log())))
    }

    fn folder(&self) -> PathBuf {
        self.root.join(HOME).join(&self.name)
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .get(lines.len().saturating_sub(12)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.guard().stop();
        // What stays is removed by the next process that starts a server.
        let _ = std::fs::remove_dir_all(self.folder());
    }
}

fn run(
    root: &std::path::Path,
    account: Account,
    name: &str,
    sentinel: bool,
) -> Result<Guard, Error> {
    let mut command = account.command(root, "/usr/bin/redis-server");
    command.arg(format!("/{HOME}/{name}/redis.conf"));
    if sentinel {
        command.arg("--sentinel");
    }
    Ok(Guard::start(&command)?)
}

fn root() -> Result<PathBuf, Error> {
    let root = std::env::var_os(ROOT)
        .filter(|value| !value.is_empty())
        .ok_or(Error::NoRoot)?;
    let root = PathBuf::from(root);
    if root.join("usr/bin/redis-server").exists() {
        Ok(root)
    } else {
        Err(Error::NoProgram(root))
    }
}
