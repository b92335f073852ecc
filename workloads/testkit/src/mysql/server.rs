//! The process of one `mysqld` and its data folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Error;

/// Folder of all that is made here, inside the root filesystem.
const HOME: &str = "tmp/chatbot-testkit";

/// Names the initialised data folder; it changes with the options that shape the files.
const TEMPLATE: &str = "template-1";

/// What a test server can do without: durability, and memory.
const OPTIONS: [&str; 11] = [
    "--innodb-redo-log-capacity=32M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-doublewrite=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--sync-binlog=0",
    "--mysqlx=OFF",
    "--bind-address=127.0.0.1",
    "--report-host=127.0.0.1",
    "--max-connections=200",
    "--table-open-cache=400",
];

/// The process of a server.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) pid: u32,
    folder: PathBuf,
    ended: Arc<AtomicBool>,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a copy of the initialised data folder; `account` is run before it listens.
    pub(super) async fn start(
        root: PathBuf,
        account: String,
        options: Vec<String>,
    ) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let home = root.join(HOME);
        prepare_template(&root, &home).await?;
        remove_what_the_dead_left(&home);
        let name = format!(
            "run-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let folder = home.join(&name);
        run(
            "cp",
            tokio::process::Command::new("cp")
                .arg("-a")
                .arg(home.join(TEMPLATE))
                .arg(&folder),
        )
        .await?;
        std::fs::write(folder.join("account.sql"), account)
            .map_err(|source| Error::Run("mysqld", source))?;

        let port = free_port().map_err(|source| Error::Run("mysqld", source))?;
        let inside = format!("/{HOME}/{name}");
        let mut command = in_root(&root);
        command
            .arg(format!("--datadir={inside}/data"))
            .arg(format!("--socket={inside}/socket"))
            .arg(format!("--pid-file={inside}/pid"))
            .arg(format!("--init-file={inside}/account.sql"))
            .arg(format!("--log-error={inside}/log"))
            .arg(format!("--port={port}"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());

        let ended = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let (send_pid, receive_pid) = tokio::sync::oneshot::channel();
        // The kernel kills the server when the thread that started it ends, so that thread is one
        // that lives exactly as long as the server shall: not a test's.
        let keeper = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || match command.spawn() {
                Ok(child) => {
                    // A receiver that is gone has dropped `stop` as well.
                    let _ = send_pid.send(Ok(child.id()));
                    keep(child, &stopped, &ended);
                }
                Err(source) => {
                    let _ = send_pid.send(Err(source));
                }
            }
        });
        let pid = match receive_pid.await {
            Ok(started) => started.map_err(|source| Error::Run("chroot", source))?,
            Err(_) => return Err(Error::NotStarted(String::new())),
        };
        Ok(Self {
            port,
            pid,
            folder,
            ended,
            stop: Some(stop),
            keeper: Some(keeper),
        })
    }

    /// Whether the process is gone.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The end of the server's log.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        tail(&log)
    }

    /// Kills the process and waits for its end.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // It has nothing to say: a panic there was printed when it happened.
            let _ = keeper.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // What stays is removed by the next process that starts a server.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Watches the process until it ends or shall end.
fn keep(mut child: Child, stopped: &mpsc::Receiver<()>, ended: &AtomicBool) {
    let running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
    while running(&mut child) {
        if !matches!(
            stopped.recv_timeout(Duration::from_millis(50)),
            Err(mpsc::RecvTimeoutError::Timeout)
        ) {
            // It can only fail because the process has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    ended.store(true, Ordering::Release);
}

/// `mysqld` inside the root filesystem, as its own user, dying with the thread that starts it.
fn in_root(root: &Path) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).args([
        "setpriv",
        "--reuid=mysql",
        "--regid=mysql",
        "--clear-groups",
        "--pdeathsig=KILL",
    ]);
    command.args(["mysqld", "--no-defaults"]).args(OPTIONS);
    command
}

/// Initialises the data folder that every server's is a copy of, unless it is there.
async fn prepare_template(root: &Path, home: &Path) -> Result<(), Error> {
    if home.join(TEMPLATE).exists() {
        return Ok(());
    }
    // Other processes may do the same at this moment: the first rename wins.
    let name = format!("init-{}-0", std::process::id());
    let inside = format!("/{HOME}/{name}");
    let mut folder = tokio::process::Command::new("chroot");
    folder
        .arg(root)
        .args(["install", "-d", "-o", "mysql", "-g", "mysql", &inside]);
    run("install", &mut folder).await?;
    let mut initialise = in_root(root);
    initialise
        .arg("--initialize-insecure")
        .arg(format!("--datadir={inside}/data"));
    run("mysqld", &mut tokio::process::Command::from(initialise)).await?;
    // Without it each copy gets a server id (UUID) of its own.
    let made = home.join(&name);
    std::fs::remove_file(made.join("data/auto.cnf"))
        .map_err(|source| Error::Run("mysqld", source))?;
    match std::fs::rename(&made, home.join(TEMPLATE)) {
        Err(source) if !home.join(TEMPLATE).exists() => Err(Error::Run("mysqld", source)),
        _ => Ok(()),
    }
}

/// Removes folders whose process is gone: their names hold its id.
fn remove_what_the_dead_left(home: &Path) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.split('-').nth(1))
            .and_then(|pid| pid.parse::<u32>().ok());
        let is_template = name == TEMPLATE;
        if let Some(owner) =
            owner.filter(|owner| !is_template && !Path::new(&format!("/proc/{owner}")).exists())
        {
            tracing::debug!(owner, "removing the data folder of a test that is gone");
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A port that was free a moment ago: `mysqld` cannot be asked to choose one itself.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a program to its end.
pub(super) async fn run(
    program: &'static str,
    command: &mut tokio::process::Command,
) -> Result<(), Error> {
    let output = command
        .output()
        .await
        .map_err(|source| Error::Run(program, source))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        program,
        output: tail(&String::from_utf8_lossy(&output.stderr)),
    })
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(12)..)
        .unwrap_or_default()
        .join("\n")
}
