//! The agent's one worker: it owns the server's process and everything that is done to the volume.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use super::files;
use super::settings::{Identity, Settings};
use crate::agent::board::Board;
use crate::agent::children::{Children, Exit, Running, ended};
use crate::agent::crashes::Crashes;
use crate::agent::life::Work;
use crate::agent::{Error, io, removed, write_private};
use crate::documents::facts::StoreFacts;

/// How long a clean end may take.
const STOP: Duration = Duration::from_secs(50);

/// The worker.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) children: Children,
    pub(super) board: Board<StoreFacts>,
    /// Held by whoever may use the data: this process, and the server as long as it lives.
    pub(super) lock: File,
    pub(super) server: Option<Running>,
    pub(super) crashes: Crashes,
}

impl Work for Worker {
    const CALM: Duration = Duration::from_secs(2);
    const BUSY: Duration = Duration::from_millis(300);

    async fn step(&mut self) -> Result<bool, Error> {
        if let Some(exit) = ended(&mut self.server) {
            self.crashed(exit);
        }
        if self.server.is_none() {
            if !self.crashes.may_start() {
                return Ok(false);
            }
            self.start().await?;
        }
        if !self.board.facts().prepared && self.set_up().await? {
            tracing::info!("the account of the workloads is there");
            self.crashes.over();
            self.board.note(|facts| {
                facts.prepared = true;
                facts.problem = None;
            });
        }
        let fronted = TcpStream::connect(self.settings.front).await.is_ok();
        self.board.note(|facts| facts.fronted = fronted);
        Ok(self.board.facts().serves())
    }

    fn trouble(&self, problem: String) {
        self.board.note(|facts| facts.problem = Some(problem));
    }

    async fn end(self) {
        if let Some(server) = self.server {
            // PostgreSQL's fast shutdown: it waits for no client.
            server.stop_within(Signal::SIGINT, STOP).await;
        }
    }
}

impl Worker {
    /// A server that ends by itself is started again, after a growing pause.
    fn crashed(&mut self, exit: Exit) {
        let problem = self.crashes.note("PostgreSQL", exit);
        self.board.note(|facts| {
            facts.prepared = false;
            facts.crashes += 1;
            facts.problem = Some(problem);
        });
    }

    /// Starts the server on its data folder, which is made where there is none.
    async fn start(&mut self) -> Result<(), Error> {
        if let Err(error) = self.lock.try_lock() {
            // A pod that was deleted without grace may end after the next one began.
            return Err(io("take the volume, which another process uses")(
                error.into(),
            ));
        }
        let data = self.settings.common.volume.join("postgres");
        if !data.exists() {
            let new = self.new_folder()?;
            let mut make = program("initdb");
            make.arg("--pgdata").arg(&new);
            make.args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ]);
            let what = "make the data folder";
            self.children.run(what, &mut make).await?.success(what)?;
            std::fs::rename(&new, &data).map_err(io("rename the new data folder"))?;
            tracing::info!("made an empty store");
        }
        let text = files::configuration(self.settings.common.memory);
        std::fs::write(data.join("postgresql.auto.conf"), text)
            .map_err(io("write the server's configuration"))?;
        // PostgreSQL knows by a process id whether another server uses the data. A container that was killed leaves one,
        // and in this container it is somebody else's; whether the data is used is what the lock says.
        let stale = data.join("postmaster.pid");
        let what = format!("remove {}", stale.display());
        removed(std::fs::remove_file(stale), what)?;
        let held = self
            .lock
            .try_clone()
            .map_err(io("share the volume's lock"))?;
        let mut server = program("postgres");
        server.arg("-D").arg(&data).stdin(held);
        self.server = Some(
            self.children
                .start(&mut server)
                .map_err(io("run postgres"))?,
        );
        tracing::info!("started PostgreSQL");
        Ok(())
    }

    /// An absent folder to make data in: what a stop left half made is taken away.
    fn new_folder(&self) -> Result<PathBuf, Error> {
        let new = self.settings.common.volume.join("new");
        let what = "remove an unfinished data folder";
        removed(std::fs::remove_dir_all(&new), what)?;
        Ok(new)
    }

    /// Makes the extension and the account. Tells whether the server took it: one that has just begun does not yet.
    async fn set_up(&self) -> Result<bool, Error> {
        let file = self.settings.runtime.join("set-up.sql");
        write_private(&file, &files::set_up(&self.identity.password))
            .map_err(io("write what is set up"))?;
        let mut client = program("psql");
        client.args([
            "--no-psqlrc",
            "--quiet",
            "--output=/dev/null",
            "--set=ON_ERROR_STOP=1",
        ]);
        client.arg("--file").arg(&file).arg(files::ADDRESS);
        let what = "make the account";
        match self.children.run(what, &mut client).await? {
            // psql's own code for no connection.
            Exit::Code(2) => Ok(false),
            exit => exit.success(what).map(|()| true),
        }
    }
}

/// A program of PostgreSQL, as the image's path has it.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    // initdb looks for the machine's own zone and language, which images need not have.
    command.env("TZ", "UTC").env("LC_ALL", "C");
    command
}
