//! One process of the binary.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PAUSE;

/// A process; it is killed when the value is dropped.
pub struct Process {
    command: Invocation,
    child: Child,
}

/// What is run.
pub struct Invocation {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, which holds nothing else.
    pub environment: Vec<(String, String)>,
    /// Where it writes.
    pub log: PathBuf,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// Fails when the program cannot be run.
    pub fn start(command: Invocation) -> io::Result<Self> {
        let child = command.spawn()?;
        Ok(Self { command, child })
    }

    /// Ends it as a crash would (SIGKILL), and starts it again.
    ///
    /// # Errors
    /// Fails when the program cannot be run.
    pub fn kill_and_start_again(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = self.command.spawn()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// Fails when it is not there any more.
    pub fn terminate(&self) -> io::Result<()> {
        let pid = self.child.id().try_into().map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), Signal::SIGTERM)?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Fails when the system does not say how it is.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote.
    #[must_use]
    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.command.log)
            .unwrap_or_else(|error| format!("its log cannot be read: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Invocation {
    fn spawn(&self) -> io::Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }
}
