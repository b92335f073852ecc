//! The process of one `mysqld` and its data folder.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Error;
use crate::certificates::Certificate;
use crate::guard::{Account, Guard, free_port, remove_what_the_dead_left, tail};

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
    pub(super) guard: Guard,
    folder: PathBuf,
}

impl Server {
    /// Starts a server on a copy of the initialised data folder; `account` is run before it listens.
    pub(super) async fn start(
        root: PathBuf,
        account: String,
        options: Vec<String>,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let home = root.join(HOME);
        let owner = account_of(&root)?;
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
        let mut server = in_root(&root, owner);
        server
            .arg(format!("--datadir={inside}/data"))
            .arg(format!("--socket={inside}/socket"))
            .arg(format!("--pid-file={inside}/pid"))
            .arg(format!("--init-file={inside}/account.sql"))
            .arg(format!("--log-error={inside}/log"))
            .arg(format!("--port={port}"))
            .args(options);
        if let Some(Certificate { certificate, key }) = certificate {
            std::fs::write(folder.join("tls.crt"), certificate).map_err(failed)?;
            std::fs::write(folder.join("tls.key"), key).map_err(failed)?;
            server
                .arg(format!("--ssl-cert={inside}/tls.crt"))
                .arg(format!("--ssl-key={inside}/tls.key"));
        }
        let guard = Guard::start(&server).map_err(failed)?;
        Ok(Self {
            port,
            guard,
            folder,
        })
    }

    /// The end of the server's log.
    pub(super) fn log(&self) -> String {
        tail(&std::fs::read_to_string(self.folder.join("log")).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.guard.stop();
        // What stays is removed by the next process that starts a server.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The account that runs the server.
fn account_of(root: &Path) -> Result<Account, Error> {
    Account::of(root, "mysql")
        .map_err(|source| Error::Run("mysqld", source))?
        .ok_or_else(|| Error::NoAccount(root.join("etc/passwd")))
}

/// `mysqld` inside the root filesystem, as its own user.
fn in_root(root: &Path, account: Account) -> Command {
    let mut command = account.command(root, "/usr/sbin/mysqld");
    command.arg("--no-defaults").args(OPTIONS);
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
