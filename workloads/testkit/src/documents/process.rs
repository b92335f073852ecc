//! The processes of one document store: PostgreSQL, and FerretDB in front of it.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Error, FERRETDB_ROOT, PASSWORD, POSTGRES_ROOT, START_LIMIT, USER};
use crate::certificates::Certificate;
use crate::guard::{Account, Guard, free_port, remove_what_the_dead_left};

/// Folder of all that is made here, inside each root filesystem.
const HOME: &str = "tmp/chatbot-testkit";

/// What PostgreSQL is told besides where it is; a test server can do without durability.
const SETTINGS: &str = "\
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
cron.database_name = 'postgres'
listen_addresses = '127.0.0.1'
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
fsync = off
shared_buffers = '32MB'
";

/// One of the two: the root filesystem it runs in, its account, and its folder there.
struct Place {
    root: PathBuf,
    account: Account,
    name: String,
}

/// Both processes.
pub(super) struct Process {
    port: u16,
    tls_port: Option<u16>,
    postgres_port: u16,
    place: Place,
    ferretdb: Mutex<Guard>,
    postgres: Guard,
    postgres_place: Place,
}

impl Process {
    /// Makes a data folder, starts PostgreSQL on it, makes the account, starts FerretDB.
    pub(super) async fn start(
        more: &str,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        let postgres_place = Place::new(POSTGRES_ROOT, "postgres")?;
        let place = Place::new(FERRETDB_ROOT, "ferretdb")?;
        let port = free_port()?;
        let postgres_port = free_port()?;
        let tls_port = certificate.map(|_| free_port()).transpose()?;
        if let Some(Certificate { certificate, key }) = certificate {
            std::fs::write(place.folder().join("tls.crt"), certificate)?;
            std::fs::write(place.folder().join("tls.key"), key)?;
        }

        let data = postgres_place.inside("data");
        let mut initdb = postgres_place.command("/usr/local/bin/initdb");
        initdb.args(["--pgdata", &data, "--username=postgres", "--auth=trust"]);
        initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
        run("initdb", initdb).await?;
        let settings = format!(
            "{SETTINGS}{more}port = {postgres_port}\nunix_socket_directories = '{}'\n",
            postgres_place.inside("")
        );
        std::fs::write(
            postgres_place.folder().join("data/postgresql.auto.conf"),
            settings,
        )?;
        let mut server = postgres_place.command("/usr/local/bin/postgres");
        server.args(["-D", &data]);
        let postgres = postgres_place.start_server(&server)?;

        let mut psql = postgres_place.psql(postgres_port, "SELECT 1");
        let made = async {
            // There is nothing to be told by: it is asked again.
            while run("psql", psql).await.is_err() {
                if postgres.ended() {
                    return Err(Error::NotStarted(postgres_place.log()));
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                psql = postgres_place.psql(postgres_port, "SELECT 1");
            }
            let account = format!(
                "SELECT documentdb_api.create_user('{{\"createUser\": \
                 \"{USER}\", \"pwd\": \"{PASSWORD}\", \"roles\": [{{\"role\": \"readWriteAnyDatabase\", \"db\": \
                 \"admin\"}}, {{\"role\": \"clusterAdmin\", \"db\": \"admin\"}}]}}')"
            );
            let extension = "CREATE EXTENSION documentdb CASCADE";
            for text in [extension, &account] {
                run("psql", postgres_place.psql(postgres_port, text)).await?;
            }
            Ok(())
        };
        tokio::time::timeout(START_LIMIT, made)
            .await
            .unwrap_or_else(|_| Err(Error::NotStarted(postgres_place.log())))?;
        let ferretdb = Mutex::new(ferretdb(&place, port, tls_port, postgres_port)?);
        Ok(Self {
            port,
            tls_port,
            postgres_port,
            place,
            ferretdb,
            postgres,
            postgres_place,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    pub(super) fn kill(&self) {
        self.ferretdb
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stop();
    }

    pub(super) fn start_again(&self) -> Result<(), Error> {
        let again = ferretdb(&self.place, self.port, self.tls_port, self.postgres_port)?;
        *self.ferretdb.lock().unwrap_or_else(PoisonError::into_inner) = again;
        Ok(())
    }

    pub(super) fn ended(&self) -> bool {
        let ferretdb = self.ferretdb.lock().unwrap_or_else(PoisonError::into_inner);
        self.postgres.ended() || ferretdb.ended()
    }

    pub(super) fn log(&self) -> String {
        format!("{}\n{}", self.postgres_place.log(), self.place.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.postgres.stop();
        for place in [&self.place, &self.postgres_place] {
            // What stays is removed by the next process that starts a store.
            let _ = std::fs::remove_dir_all(place.folder());
        }
    }
}

impl Place {
    fn new(variable: &'static str, user: &'static str) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let root = std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
            .ok_or(Error::NoRoot(variable))?;
        let account = Account::of(&root, user)?.ok_or_else(|| Error::NoAccount {
            root: root.clone(),
            user,
        })?;
        let home = root.join(HOME);
        std::fs::create_dir_all(&home)?;
        remove_what_the_dead_left(&home);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("run-{}-{number}", std::process::id());
        let place = Self {
            root,
            account,
            name,
        };
        std::fs::create_dir_all(place.folder())?;
        chown(place.folder(), Some(account.user), Some(account.group))?;
        Ok(place)
    }

    fn folder(&self) -> PathBuf {
        self.root.join(HOME).join(&self.name)
    }

    /// A path below the folder, as the program sees it.
    fn inside(&self, path: &str) -> String {
        let inside = Path::new("/").join(HOME).join(&self.name).join(path);
        inside.to_string_lossy().into_owned()
    }

    /// Neither of the two starts without somewhere to write to, so each gets a log.
    fn start_server(&self, server: &Command) -> Result<Guard, Error> {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec "$@" </dev/null >>"$0" 2>&1"#])
            .arg(self.folder().join("log"))
            .arg(server.get_program())
            .args(server.get_args());
        Ok(Guard::start(&command)?)
    }

    /// The end of the log.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(12)..);
        last.unwrap_or_default().join("\n")
    }

    fn command(&self, program: &str) -> Command {
        self.account.command(&self.root, program)
    }

    fn psql(&self, port: u16, text: &str) -> Command {
        let mut command = self.command("/usr/local/bin/psql");
        command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
        command.args(["--host=127.0.0.1", "--username=postgres"]);
        command.arg(format!("--port={port}"));
        command.arg("--command").arg(text);
        command
    }
}

fn ferretdb(
    place: &Place,
    port: u16,
    tls_port: Option<u16>,
    postgres: u16,
) -> Result<Guard, Error> {
    let mut command = place.command("/ferretdb");
    command
        .arg(format!("--listen-addr=127.0.0.1:{port}"))
        .arg(format!(
            "--postgresql-url=postgres://postgres@127.0.0.1:{postgres}/postgres"
        ))
        .arg(format!("--state-dir={}", place.inside("")))
        .args(["--debug-addr=-", "--telemetry=disable"]);
    if let Some(port) = tls_port {
        command
            .arg(format!("--listen-tls=127.0.0.1:{port}"))
            .arg(format!(
                "--listen-tls-cert-file={}",
                place.inside("tls.crt")
            ))
            .arg(format!("--listen-tls-key-file={}", place.inside("tls.key")));
    }
    place.start_server(&command)
}

async fn run(what: &'static str, command: Command) -> Result<(), Error> {
    let mut command = tokio::process::Command::from(command);
    // initdb would look for the machine's own zone, which is not there.
    let output = command.env("TZ", "UTC").env("LC_ALL", "C").output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Failed(what, said))
}
