//! The agent's one worker: it owns both processes and everything that is done to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::choose::{Start, View};
use super::files;
use super::server::Server;
use super::settings::{Identity, Settings};
use super::volume::Volume;
use crate::agent::board::Board;
use crate::agent::children::{Children, Exit, Running, ended};
use crate::agent::crashes::Crashes;
use crate::agent::life::Work;
use crate::agent::peers::Peers;
use crate::agent::{Error, Told, chosen_settings, io, write_private};
use crate::redis::facts::{MemberFacts, Role};

/// After so many ends in a row the data is given up: it can be made again, and may be what is wrong.
const MANY_CRASHES: u32 = 3;
/// How long writes are held back while another member takes over.
const HAND_OVER: Duration = Duration::from_secs(8);

/// A program that the agent runs, and the way to it.
pub(super) struct Program {
    process: Option<Running>,
    server: Server,
}

impl Program {
    /// A program that does not run yet.
    pub(super) fn new(address: SocketAddr, password: &str) -> Self {
        Self {
            process: None,
            server: Server::new(address, password),
        }
    }

    /// Stops it where it runs.
    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop().await;
        }
    }
}

/// The worker.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) volume: Volume,
    pub(super) children: Children,
    pub(super) board: Board<MemberFacts>,
    pub(super) peers: Peers,
    /// Members whose address is known.
    pub(super) addresses: BTreeMap<String, IpAddr>,
    pub(super) server: Program,
    pub(super) sentinel: Program,
    pub(super) crashes: Crashes,
    /// Whether the running server may become primary.
    pub(super) may_lead: bool,
}

impl Work for Worker {
    const CALM: Duration = Duration::from_secs(1);
    const BUSY: Duration = Duration::from_millis(200);

    async fn step(&mut self) -> Result<bool, Error> {
        if let Some(exit) = ended(&mut self.server.process) {
            self.crashed(exit)?;
        }
        if let Some(exit) = ended(&mut self.sentinel.process) {
            tracing::warn!(%exit, "the Sentinel ended");
        }
        self.look().await;
        let has_sentinel = self.settings.has_sentinel();
        if has_sentinel && self.sentinel.process.is_none() {
            self.start_sentinel().await?;
        }
        if self.server.process.is_none() && self.crashes.may_start() {
            self.start_server().await?;
        }
        self.settle().await?;
        let facts = self.board.facts();
        Ok(facts.in_step() && facts.seeded && (!has_sentinel || facts.watched.is_some()))
    }

    fn trouble(&self, problem: String) {
        self.board.note(|facts| facts.problem = Some(problem));
    }

    async fn end(mut self) {
        self.hand_over().await;
        self.server.stop().await;
        self.sentinel.stop().await;
    }
}

impl Worker {
    /// Looks at both programs.
    async fn look(&mut self) {
        let server = match &self.server.process {
            Some(_) => self.server.server.facts().await.ok(),
            None => None,
        };
        let watched = match &self.sentinel.process {
            Some(_) => self.sentinel.server.watched().await.ok(),
            None => None,
        };
        self.board.note(|facts| {
            facts.server = server;
            facts.watched = watched;
        });
    }

    /// Notes what a server that answers has become, and lets it lead once it has the data.
    async fn settle(&mut self) -> Result<(), Error> {
        let facts = self.board.facts();
        if !facts.in_step() {
            return Ok(());
        }
        self.crashes.over();
        if !facts.seeded {
            match self.server.server.is_written().await {
                Ok(true) => self.volume.set_seeded()?,
                // Soon, and until then a crash would leave an empty file.
                Ok(false) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "the server does not tell whether its file is written");
                    return Ok(());
                }
            }
        }
        self.board.note(|facts| {
            facts.seeded = true;
            facts.problem = None;
        });
        if !self.may_lead {
            match self.server.server.may_lead().await {
                Ok(()) => self.may_lead = true,
                Err(error) => tracing::warn!(%error, "failed to let the server lead"),
            }
        }
        Ok(())
    }

    /// Starts the Sentinel when it is known whom it shall watch.
    async fn start_sentinel(&mut self) -> Result<(), Error> {
        let peers = self.ask_peers().await;
        let own = self.board.facts();
        let Some(address) = own.address else {
            return Ok(());
        };
        let memory = self.volume.memory()?;
        let all_known = self.addresses.len() == self.settings.membership.members.len();
        // A Service that was made anew has another address: what was noted of the old ones is void.
        let remembered = files::watched(&memory).filter(|watched| {
            !all_known || self.addresses.values().any(|address| address == watched)
        });
        let members = self.settings.membership.members.len();
        let view = View {
            own: &own,
            peers: &peers,
            members,
        };
        let (primary, memory) = match (remembered, view.first_watched()) {
            (Some(primary), _) => (primary, memory.as_str()),
            (None, Some(primary)) => (primary, ""),
            (None, None) => {
                let waiting = "not every member was heard, so nobody knows which has the data";
                self.board
                    .note(|facts| facts.problem = Some(waiting.to_owned()));
                return Ok(());
            }
        };
        let file = self.volume.sentinel();
        let others: Vec<IpAddr> = self.addresses.values().copied().collect();
        let parts = files::Sentinel {
            announced: address,
            primary,
            others: &others,
            members,
            older: memory,
        };
        let text = files::sentinel(&self.identity, &parts);
        write_private(&file, &text).map_err(io("write the Sentinel's configuration"))?;
        let mut command = Command::new(&self.settings.program);
        command.arg(&file).arg("--sentinel");
        self.sentinel.process = Some(self.start(&mut command)?);
        tracing::info!(%primary, "started the Sentinel");
        Ok(())
    }

    /// Starts the server in the role that the Sentinels name, or waits.
    async fn start_server(&mut self) -> Result<(), Error> {
        let peers = self.ask_peers().await;
        let own = self.board.facts();
        let view = View {
            own: &own,
            peers: &peers,
            members: self.settings.membership.members.len(),
        };
        let primary = match view.start() {
            Start::Primary => None,
            Start::Replica(primary) => Some(primary),
            Start::Wait(reason) => {
                tracing::debug!(reason, "the server is not started");
                self.board
                    .note(|facts| facts.problem = Some(reason.to_owned()));
                return Ok(());
            }
        };
        let chosen = chosen_settings(self.settings.config.as_deref())?;
        self.may_lead = own.seeded || primary.is_none();
        let runtime = &self.settings.runtime;
        let accounts = runtime.join("users.acl");
        let data = self.volume.data();
        let text = files::Server {
            chosen: &chosen,
            data: &data,
            accounts: &accounts,
            memory: self.settings.common.memory,
            announced: own.address.filter(|_| self.settings.has_sentinel()),
            primary,
            priority: if self.may_lead {
                files::MAY_LEAD
            } else {
                files::NEVER_LEADS
            },
        }
        .text(&self.identity);
        let file = runtime.join("redis.conf");
        std::fs::create_dir_all(&data).map_err(io("make the data folder"))?;
        write_private(&accounts, &files::accounts(&self.identity))
            .map_err(io("write the accounts"))?;
        write_private(&file, &text).map_err(io("write the server's configuration"))?;
        self.server.process = Some(self.start_with(&file)?);
        tracing::info!(
            primary = primary.map(tracing::field::display),
            "started the server"
        );
        Ok(())
    }

    fn start_with(&self, file: &Path) -> Result<Running, Error> {
        self.start(Command::new(&self.settings.program).arg(file))
    }

    fn start(&self, command: &mut Command) -> Result<Running, Error> {
        self.children
            .start(command)
            .map_err(io(format!("run {}", self.settings.program.display())))
    }

    /// A server that ends by itself is started again, after a growing pause; data that may be why is given up.
    fn crashed(&mut self, exit: Exit) -> Result<(), Error> {
        let problem = self.crashes.note("the server", exit);
        self.board.note(|facts| {
            facts.server = None;
            facts.crashes += 1;
            facts.problem = Some(problem);
        });
        if self.crashes.in_a_row() >= MANY_CRASHES && self.volume.is_seeded() {
            tracing::warn!("giving up the data: the server does not start with it");
            self.volume.empty()?;
            self.board.note(|facts| facts.seeded = false);
        }
        Ok(())
    }

    /// What the other members' agents tell; this member's own address is found on the way.
    async fn ask_peers(&mut self) -> Vec<MemberFacts> {
        let members = &self.settings.membership.members;
        let found = join_all(members.iter().map(|member| async {
            let found = self
                .peers
                .addresses(&self.settings.membership.host(member))
                .await;
            Some((member.clone(), found.into_iter().next()?))
        }))
        .await;
        self.addresses.extend(found.into_iter().flatten());
        let own = self
            .addresses
            .get(&self.settings.membership.member)
            .copied();
        if own.is_some() {
            self.board.note(|facts| facts.address = own);
        }
        let others = self
            .addresses
            .iter()
            .filter(|(member, _)| **member != self.settings.membership.member)
            .map(|(_, address)| *address);
        let answers = self.peers.ask(others.collect::<Vec<_>>()).await;
        answers.into_iter().map(|answer| answer.facts).collect()
    }

    /// Has another member take over before a primary stops.
    async fn hand_over(&mut self) {
        let facts = self.board.facts();
        let is_primary = facts
            .server
            .is_some_and(|server| server.role == Role::Primary);
        if !is_primary || !self.settings.has_sentinel() {
            return;
        }
        let began = Instant::now();
        // Writes that arrive now would be lost: they wait for the new primary.
        if let Err(error) = self.server.server.hold_writes(HAND_OVER).await {
            tracing::warn!(%error, "failed to hold writes back");
        }
        if let Err(error) = self.sentinel.server.fail_over().await {
            tracing::warn!(%error, "no other member takes over");
            return;
        }
        while began.elapsed() < HAND_OVER {
            match self.sentinel.server.watched().await {
                Ok(primary) if Some(primary) != facts.address => {
                    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    tracing::info!(to = %primary, took_ms, "handed over");
                    return;
                }
                Ok(_) => tokio::time::sleep(Self::BUSY / 4).await,
                Err(error) => {
                    tracing::warn!(%error, "the Sentinel does not tell who takes over");
                    return;
                }
            }
        }
        tracing::warn!("nobody took over in time");
    }
}
