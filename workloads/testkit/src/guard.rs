//! A server's process for tests: it dies with the value that stands for it, and with the process
//! that started it, however that one ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs its arguments, says their process id, and kills them when its input ends: that happens when
/// the test lets go of it, and also when the test's process is gone, however it went.
const GUARD: &str = r#"exec 3<&0; "$@" <&- >&- 2>&- & server=$!; echo $server; exec >&-
    { read -r _ <&3; kill -KILL $server; } & reader=$!
    wait $server; kill $reader 2>&-"#;

/// The process of a server.
pub(crate) struct Guard {
    pub(crate) pid: u32,
    child: Mutex<Child>,
}

/// The account of a root filesystem that runs a server.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Guard {
    /// Runs `command` until the value is dropped.
    pub(crate) fn start(command: &Command) -> std::io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let pid = line.trim().parse().map_err(std::io::Error::other)?;
        Ok(Self {
            pid,
            child: Mutex::new(child),
        })
    }

    /// Whether the process is gone.
    pub(crate) fn ended(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(child.try_wait(), Ok(None))
    }

    /// Kills the process as a crash would (SIGKILL), and waits for its end.
    pub(crate) fn stop(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        drop(child.stdin.take());
        // It can only fail because the guard was waited for before.
        let _ = child.wait();
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) -> std::io::Result<()> {
        let pid = self.pid.to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status()?;
        if status.success() {
            return Ok(());
        }
        Err(std::io::Error::other(format!(
            "kill -s {name} {pid} failed"
        )))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Account {
    /// Reads the ids of `name`, which differ between root filesystems; `None` where there is no such account.
    pub(crate) fn of(root: &Path, name: &str) -> std::io::Result<Option<Self>> {
        let passwd = std::fs::read_to_string(root.join("etc/passwd"))?;
        Ok(passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let mut fields = fields.skip(1);
            Some(Self {
                user: fields.next()?.parse().ok()?,
                group: fields.next()?.parse().ok()?,
            })
        }))
    }

    /// A program inside the root filesystem, as this account.
    pub(crate) fn command(self, root: &Path, program: &str) -> Command {
        let Self { user, group } = self;
        let mut command = Command::new("chroot");
        command
            .arg(format!("--userspec={user}:{group}"))
            .arg(root)
            .arg(program);
        command
    }
}

/// A port that was free a moment ago and that no other test takes, for servers that cannot be asked to choose one
/// themselves.
///
/// The system's own choice (port 0) is from the range of outgoing connections, one of which may have the port before
/// the server does, or while the server is down. So it is from below that range, and processes that run at once begin at
/// different places.
///
/// # Errors
/// Fails when there is none.
pub fn free_port() -> std::io::Result<u16> {
    /// The system's own choices begin at 32768 (`ip_local_port_range`, ip(7)).
    const PORTS: Range<u16> = 12_000..32_000;
    /// Ports of a process, before it comes to those of the next one.
    const EACH: u32 = 40;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let mut failed = None;
    for _ in PORTS {
        let place = std::process::id()
            .wrapping_mul(EACH)
            .wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let place = place % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(place).expect("it is below the range's length");
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("there are ports"))
}

/// The last lines of what a server said.
pub(crate) fn tail(text: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(LINES);
    lines.get(last..).unwrap_or_default().join("\n")
}

/// Removes folders of `home` whose process is gone: their names hold its id, as in `run-123-0`.
pub(crate) fn remove_what_the_dead_left(home: &Path) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| {
            let (kind, rest) = name.split_once('-')?;
            let owner = rest.split('-').next()?.parse::<u32>().ok()?;
            matches!(kind, "run" | "init").then_some(owner)
        });
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // What cannot be removed now is tried again by the next process.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
