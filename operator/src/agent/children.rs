//! The agent as the first process of its container: it starts programs, and reaps whatever ends.
//!
//! A first process inherits orphans (of `kubectl exec`, say) and must wait for them, or they stay
//! as zombies. Since waiting for any child also takes the ends of our own, all of them are started here.

use std::collections::HashMap;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Error, io};

/// Starts programs and hears of their ends.
#[derive(Clone, Default)]
pub(crate) struct Children {
    waiting: Arc<Mutex<HashMap<i32, oneshot::Sender<Exit>>>>,
}

/// A program that was started.
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// Resolves when it has ended.
    pub(crate) exit: oneshot::Receiver<Exit>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with a code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// Nothing where the program says that it did what it was run for.
    pub(crate) fn success(self, what: &str) -> Result<(), Error> {
        match self {
            Self::Code(0) => Ok(()),
            exit => {
                let source = std::io::Error::other(format!("the program ended with {exit}"));
                Err(io(what)(source))
            }
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

impl Running {
    /// Tells it to stop and waits for its end, however long a clean end takes.
    pub(crate) async fn stop(self) {
        self.stop_by(Signal::SIGTERM).await;
    }

    async fn stop_by(self, signal: Signal) {
        if let Err(error) = kill(Pid::from_raw(self.pid), signal) {
            tracing::warn!(%error, "failed to signal a program");
        }
        // An error means that the reaper is gone, and everything with it.
        let _ = self.exit.await;
    }

    /// Tells it to stop by this signal, kills it when a clean end takes longer than this, and waits for its end.
    pub(crate) async fn stop_within(self, signal: Signal, limit: Duration) {
        let pid = Pid::from_raw(self.pid);
        let kill_late = async {
            tokio::time::sleep(limit).await;
            if let Err(error) = kill(pid, Signal::SIGKILL) {
                tracing::warn!(%error, "failed to kill a program");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.stop_by(signal) => {}
            () = kill_late => {}
        }
    }
}

/// How a program that should run has ended, if it did since this was asked last; it is gone then.
pub(crate) fn ended(program: &mut Option<Running>) -> Option<Exit> {
    let exit = program.as_mut()?.exit.try_recv().ok()?;
    *program = None;
    Some(exit)
}

impl Children {
    /// Starts a program in a process group of its own, so that a terminal's signals reach only us.
    pub(crate) fn start(&self, command: &mut Command) -> std::io::Result<Running> {
        // Held over the start: the end cannot be reaped before it is known whose it is.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.process_group(0).spawn()?;
        let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
        let (send, exit) = oneshot::channel();
        waiting.insert(pid, send);
        Ok(Running { pid, exit })
    }

    /// Runs a program to its end, for what it says.
    pub(crate) async fn run(&self, what: &str, command: &mut Command) -> Result<Exit, Error> {
        let running = self.start(command).map_err(io(what))?;
        // An error means that the reaper is gone, and everything with it.
        let gone = |_| io(what)(std::io::ErrorKind::Interrupted.into());
        running.exit.await.map_err(gone)
    }

    /// Reaps for ever.
    pub(crate) async fn reap(self) -> std::io::Result<()> {
        let mut ended = signal(SignalKind::child())?;
        loop {
            self.reap_now();
            if ended.recv().await.is_none() {
                return Ok(());
            }
        }
    }

    fn reap_now(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (pid, exit) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Exit::Code(code)),
                Ok(WaitStatus::Signaled(pid, number, _)) => (pid, Exit::Signal(number as i32)),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(error) => {
                    tracing::warn!(%error, "failed to wait for processes");
                    return;
                }
            };
            if let Some(send) = waiting.remove(&pid.as_raw()) {
                // Nobody waits any more for a program that was given up.
                let _ = send.send(exit);
            }
        }
    }
}
