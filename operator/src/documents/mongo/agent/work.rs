//! The agent's one worker: it owns the server's process, and what it is told to do.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chatbot_contract::ports;
use futures::future::join_all;
use nix::sys::signal::Signal;

use super::choose::{Step, View};
use super::client::{Client, Seen};
use super::files;
use super::settings::{Identity, Settings};
use crate::agent::board::Board;
use crate::agent::children::{Children, Exit, Running, ended};
use crate::agent::crashes::Crashes;
use crate::agent::life::Work;
use crate::agent::peers::Peers;
use crate::agent::{Error, Told, io, record, removed, write_private};
use crate::documents::mongo::facts::MemberFacts;
use crate::outcome::chain;

/// A server that is told to end goes on for 15 s for clients that look for another
/// (<https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.shutdownTimeoutMillisForSignaledShutdown>),
/// and writes what is in memory.
const STOP: Duration = Duration::from_secs(40);

/// The worker.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) children: Children,
    pub(super) board: Board<MemberFacts>,
    pub(super) peers: Peers,
    pub(super) client: Client,
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
        if self.server.is_none() && !self.start().await? {
            return Ok(false);
        }
        self.look().await?;
        let facts = self.board.facts();
        let peers = match facts.initiated {
            Some(true) => Vec::new(),
            _ => self.ask_peers().await,
        };
        let view = View {
            own: &facts,
            peers: &peers,
            members: &self.settings.membership.members,
        };
        match view.step() {
            Step::Follow => self.settle(&facts).await,
            Step::Initiate => self.initiate().await,
            Step::Wait(reason) => self
                .board
                .note(|facts| facts.problem = Some(reason.to_owned())),
        }
        Ok(facts.in_step())
    }

    fn trouble(&self, problem: String) {
        self.board.note(|facts| facts.problem = Some(problem));
    }

    async fn end(self) {
        let Some(server) = self.server else {
            return;
        };
        if self.settings.membership.members.len() > 1 && self.board.facts().is_primary() {
            match self.client.step_down().await {
                Ok(()) => tracing::info!("handed the primary over"),
                Err(error) => tracing::warn!(
                    error = chain(&error),
                    "the others must notice by themselves that the primary ends"
                ),
            }
        }
        server.stop_within(Signal::SIGTERM, STOP).await;
    }
}

impl Worker {
    /// Looks at the server, and notes on the volume that it belongs to a set: a server that has just begun does not yet
    /// tell whether it does.
    async fn look(&self) -> Result<(), Error> {
        let seen = self.client.look().await.inspect_err(|error| {
            tracing::debug!(error = chain(error), "the server does not answer");
        });
        let known = self.board.facts().initiated == Some(true);
        let (initiated, server) = match seen {
            Ok(Seen::Member(server)) => (Some(true), Some(server)),
            Ok(Seen::Empty) => (Some(known), None),
            Err(_) => (known.then_some(true), None),
        };
        if initiated == Some(true) && !known {
            record::write(&self.record(), &true)?;
        }
        self.board.note(|facts| {
            facts.initiated = initiated;
            facts.server = server;
            facts.declared &= facts.is_primary();
        });
        Ok(())
    }

    /// In a set: makes the accounts where this member is primary.
    async fn settle(&mut self, facts: &MemberFacts) {
        if facts.in_step() {
            self.crashes.over();
        }
        if facts.is_primary() && !facts.declared {
            let Identity {
                admin, workload, ..
            } = &self.identity;
            if let Err(error) = self.client.declare(admin, workload).await {
                let text = chain(&error);
                tracing::warn!(error = text, "failed to make the accounts");
                self.trouble(text);
                return;
            }
            tracing::info!("made the accounts");
            self.board.note(|facts| facts.declared = true);
        }
        if facts.server.is_some() {
            self.board.note(|facts| facts.problem = None);
        }
    }

    /// Makes the replica set of all members, under names that stay.
    async fn initiate(&self) {
        let host = |member: &String| {
            format!(
                "{}:{}",
                self.settings.membership.host(member),
                ports::DOCUMENTS
            )
        };
        let hosts: Vec<String> = self.settings.membership.members.iter().map(host).collect();
        tracing::info!(?hosts, "making the replica set");
        if let Err(error) = self.client.initiate(&hosts).await {
            let text = chain(&error);
            tracing::warn!(error = text, "failed to make the replica set");
            self.trouble(text);
        }
    }

    /// Starts the server. Tells whether it did, which it does not just after a crash, or while this member's name does not
    /// lead here: a server looks for itself in its set's configuration when it begins.
    async fn start(&mut self) -> Result<bool, Error> {
        if !self.crashes.may_start() {
            return Ok(false);
        }
        if self.ask(&self.settings.membership.member).await.is_none() {
            self.trouble("this member is not yet reached by its own name".to_owned());
            return Ok(false);
        }
        let data = self.settings.common.volume.join("mongo");
        if !data.exists() {
            let done = std::fs::remove_file(self.record());
            removed(done, "remove the record of lost data")?;
            std::fs::create_dir(&data).map_err(io("make the data folder"))?;
        }
        let belongs = record::read::<bool>(&self.record())?;
        let key = self.settings.runtime.join(files::KEY);
        write_private(&key, &self.identity.key).map_err(io("write the members' key"))?;
        let file = self.settings.runtime.join(files::CONFIGURATION);
        let text = files::configuration(&data, &key, self.settings.common.memory);
        write_private(&file, &text).map_err(io("write the server's configuration"))?;
        let mut command = Command::new(&self.settings.mongod);
        command.arg("--config").arg(&file);
        self.server = Some(
            self.children
                .start(&mut command)
                .map_err(io(format!("run {}", self.settings.mongod.display())))?,
        );
        self.board.note(|facts| {
            facts.initiated = belongs.filter(|belongs| *belongs);
            facts.problem = None;
        });
        tracing::info!("started the server");
        Ok(true)
    }

    /// A server that ends by itself is started again, after a growing pause.
    fn crashed(&mut self, exit: Exit) {
        let problem = self.crashes.note("the server", exit);
        self.board.note(|facts| {
            facts.server = None;
            facts.declared = false;
            facts.crashes += 1;
            facts.problem = Some(problem);
        });
    }

    /// What the other members' agents tell.
    async fn ask_peers(&self) -> Vec<MemberFacts> {
        let others = self.settings.membership.others();
        let answers = join_all(others.map(|member| self.ask(member))).await;
        answers.into_iter().flatten().collect()
    }

    /// What the agent tells that is reached by a member's name, if it is that member's.
    async fn ask(&self, member: &str) -> Option<MemberFacts> {
        let found = self
            .peers
            .addresses(&self.settings.membership.host(member))
            .await;
        let answers = self.peers.ask::<MemberFacts>(found).await;
        let facts = answers.into_iter().map(|answer| answer.facts);
        facts.into_iter().find(|facts| facts.member == member)
    }

    /// Where it is noted that the volume's data belongs to a replica set.
    fn record(&self) -> PathBuf {
        self.settings.common.volume.join("initiated.json")
    }
}
