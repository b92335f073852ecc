//! The process of one `mysqld` and its data folder.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// Runs its arguments, says their process id, and kills them when its input ends: that happens when
/// the test lets go of it, and also when the test's process is gone, however it went.
const GUARD: &str = r#"exec 3<&0; "$@" <&- >&- 2>&- & server=$!; echo $server; exec >&-
    { read -r _ <&3; kill -KILL $server; } & reader=$!
    wait $server; kill $reader 2>&-"#;

/// The process of a server.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) pid: u32,
    folder: PathBuf,
    guard: Mutex<Child>,
}

/// The account of the root filesystem that runs the server.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
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
        let owner = Account::of_mysql(&root)?;
        prepare_template(&root, &home, owner).await?;
        remove_what_the_dead_left(&home);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("run-{}-{number}", std::process::id());
        let folder = home.join(&name);
        let mut copy = tokio::process::Command::new("cp");
        copy.arg("-a").arg(home.join(TEMPLATE)).arg(&folder);
        run("cp", &mut copy).await?;
        let failed = |source| Error::Run("mysqld", source);
        std::fs::write(folder.join("account.sql"), account).map_err(failed)?;

        let port = free_port().map_err(failed)?;
        let inside = format!("/{HOME}/{name}");
        let server = in_root(&root, owner);
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD, "guard"])
            .arg(server.get_program())
            .args(server.get_args())
            .arg(format!("--datadir={inside}/data"))
            .arg(format!("--socket={inside}/socket"))
            .arg(format!("--pid-file={inside}/pid"))
            .arg(format!("--init-file={inside}/account.sql"))
            .arg(format!("--log-error={inside}/log"))
            .arg(format!("--port={port}"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut guard = guard.spawn().map_err(|source| Error::Run("sh", source))?;
        let mut line = String::new();
        if let Some(output) = guard.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(failed)?;
        }
        let pid = line
            .trim()
            .parse()
            .map_err(|_| Error::NotStarted(line.clone()))?;
        Ok(Self {
            port,
            pid,
            folder,
            guard: Mutex::new(guard),
        })
    }

    /// Whether the process is gone.
    pub(super) fn ended(&self) -> bool {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(guard.try_wait(), Ok(None))
    }

    /// The end of the server's log.
    pub(super) fn log(&self) -> String {
        tail(&std::fs::read_to_string(self.folder.join("log")).unwrap_or_default())
    }

    /// Kills the process and waits for its end.
    pub(super) fn stop(&self) {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        drop(guard.stdin.take());
        // It can only fail because the guard was waited for before.
        let _ = guard.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // What stays is removed by the next process that starts a server.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Account {
    /// Reads the account's ids, which differ between root filesystems.
    fn of_mysql(root: &Path) -> Result<Self, Error> {
        let path = root.join("etc/passwd");
        let passwd =
            std::fs::read_to_string(&path).map_err(|source| Error::Run("mysqld", source))?;
        let ids = passwd.lines().find_map(|line| {
            let mut fields = line.strip_prefix("mysql:")?.split(':').skip(1);
            Some(Self {
                user: fields.next()?.parse().ok()?,
                group: fields.next()?.parse().ok()?,
            })
        });
        ids.ok_or(Error::NoAccount(path))
    }
}

/// `mysqld` inside the root filesystem, as its own user.
fn in_root(root: &Path, Account { user, group }: Account) -> Command {
    let mut command = Command::new("chroot");
    command.arg(format!("--userspec={user}:{group}")).arg(root);
    command
        .args(["/usr/sbin/mysqld", "--no-defaults"])
        .args(OPTIONS);
    command
}

/// Initialises the data folder that every server's is a copy of, unless it is there.
async fn prepare_template(root: &Path, home: &Path, owner: Account) -> Result<(), Error> {
    let template = home.join(TEMPLATE);
    if template.exists() {
        return Ok(());
    }
    let failed = |source| Error::Run("mysqld", source);
    // Other processes may do the same at this moment: the first rename wins.
    let name = format!("init-{}-0", std::process::id());
    let made = home.join(&name);
    std::fs::create_dir_all(&made).map_err(failed)?;
    chown(&made, Some(owner.user), Some(owner.group)).map_err(failed)?;
    let mut initialise = in_root(root, owner);
    initialise
        .arg("--initialize-insecure")
        .arg(format!("--datadir=/{HOME}/{name}/data"));
    run("mysqld", &mut tokio::process::Command::from(initialise)).await?;
    // Without it each copy gets a server id (UUID) of its own.
    std::fs::remove_file(made.join("data/auto.cnf")).map_err(failed)?;
    match std::fs::rename(&made, &template) {
        Err(source) if !template.exists() => Err(failed(source)),
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
        if name == TEMPLATE {
            continue;
        }
        let owner = name
            .to_str()
            .and_then(|name| name.split('-').nth(1)?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // What cannot be removed now is tried again by the next process.
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
