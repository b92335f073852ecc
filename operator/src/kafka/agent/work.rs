//! The agent's one worker: it owns the server's process and everything that is done to the volume.

use std::process::Command;
use std::time::Duration;

use chatbot_contract::events::TOPIC_PREFIX;
use chatbot_contract::ports;
use futures::future::join_all;
use nix::sys::signal::Signal;

use super::choose::{Step, View, written};
use super::client::Client;
use super::properties;
use super::settings::{Identity, Settings};
use super::volume::Volume;
use crate::agent::board::Board;
use crate::agent::children::{Children, Exit, Running, ended};
use crate::agent::crashes::Crashes;
use crate::agent::life::Work;
use crate::agent::peers::Peers;
use crate::agent::{Error, Told, chosen_settings, io, write_private};
use crate::kafka::facts::{Cluster, MemberFacts, ServerFacts};
use crate::outcome::chain;

/// A server that cannot tell the quorum of its stop waits for minutes; its log is whole after a kill as well.
const STOP: Duration = Duration::from_secs(20);

/// The worker.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) volume: Volume,
    pub(super) children: Children,
    pub(super) board: Board<MemberFacts>,
    pub(super) peers: Peers,
    pub(super) client: Client,
    pub(super) server: Option<Running>,
    /// Whether the account was declared since this member leads.
    pub(super) declared: bool,
    pub(super) crashes: Crashes,
}

impl Work for Worker {
    const CALM: Duration = Duration::from_secs(2);
    const BUSY: Duration = Duration::from_millis(300);

    async fn step(&mut self) -> Result<bool, Error> {
        if let Some(exit) = ended(&mut self.server) {
            self.crashed(exit);
        }
        self.look().await?;
        let facts = self.board.facts();
        if facts.leader().is_some() {
            self.settle(&facts).await;
            return Ok(facts.in_step());
        }
        let peers = self.ask_peers().await;
        let view = View {
            own: &facts,
            peers: &peers,
            members: self.settings.membership.members.len(),
        };
        match view.step() {
            Step::Run => self.start().await?,
            Step::First(cluster) => self.adopt(cluster, true)?,
            Step::Join(cluster) => self.adopt(cluster, false)?,
            Step::Empty(reason) => {
                tracing::warn!(reason, "giving up the data of this volume");
                if let Some(server) = self.server.take() {
                    server.stop_within(Signal::SIGKILL, STOP).await;
                }
                self.volume.empty()?;
                self.tell_volume();
                self.board
                    .note(|facts| facts.problem = Some(format!("gave up its data: {reason}")));
            }
            Step::Wait(reason) => self
                .board
                .note(|facts| facts.problem = Some(reason.to_owned())),
        }
        Ok(false)
    }

    fn trouble(&self, problem: String) {
        self.board.note(|facts| facts.problem = Some(problem));
    }

    async fn end(self) {
        if let Some(server) = self.server {
            server.stop_within(Signal::SIGTERM, STOP).await;
        }
    }
}

impl Worker {
    /// Looks at the server, and notes on the volume that it votes.
    async fn look(&mut self) -> Result<(), Error> {
        let node = self
            .settings
            .node(&self.settings.membership.member)
            .unwrap_or_default();
        let seen = match &self.server {
            Some(_) => self
                .client
                .look(node)
                .await
                .inspect_err(|error| {
                    tracing::debug!(error = chain(error), "the server does not answer");
                })
                .ok(),
            None => None,
        };
        let directory = &self.volume.record().directory;
        let server = seen.map(|seen| ServerFacts {
            leader: seen
                .leader
                .and_then(|leader| self.settings.of_node(leader))
                .map(str::to_owned),
            voting: seen
                .voters
                .iter()
                .any(|(id, voter)| *id == node && written(voter.as_bytes()) == *directory),
            serving: seen.serving.contains(&node),
            behind: seen.behind,
        });
        let voting = server.as_ref().is_some_and(|server| server.voting);
        if voting && !self.volume.record().voter {
            self.volume.change(|record| record.voter = true)?;
        }
        self.board.note(|facts| facts.server = server);
        self.tell_volume();
        Ok(())
    }

    fn tell_volume(&self) {
        let record = self.volume.record();
        self.board.note(|facts| {
            facts.directory.clone_from(&record.directory);
            facts.cluster.clone_from(&record.cluster);
            facts.voter = record.voter;
        });
    }

    /// With a leader: declares the account where this member is it.
    async fn settle(&mut self, facts: &MemberFacts) {
        self.crashes.over();
        let leads = facts.leader() == Some(&self.settings.membership.member);
        if leads && !self.declared {
            match self
                .client
                .declare(&self.identity.workload, TOPIC_PREFIX)
                .await
            {
                Ok(()) => {
                    tracing::info!("declared the workloads' account and rights");
                    self.declared = true;
                }
                Err(error) => {
                    let text = chain(&error);
                    tracing::warn!(error = text, "failed to declare the workloads' account");
                    self.board.note(|facts| facts.problem = Some(text));
                    return;
                }
            }
        }
        self.declared &= leads;
        self.board.note(|facts| facts.problem = None);
    }

    /// Takes a cluster for the volume's; it is formatted before the next start.
    fn adopt(&mut self, cluster: Cluster, founder: bool) -> Result<(), Error> {
        tracing::info!(cluster = cluster.id, founder, "formatting the volume");
        self.volume.change(|record| {
            record.cluster = Some(cluster);
            record.voter = founder;
        })?;
        self.tell_volume();
        self.board.note(|facts| facts.problem = None);
        Ok(())
    }

    /// Starts the server, unless it runs or crashed just now.
    async fn start(&mut self) -> Result<(), Error> {
        if self.server.is_some() || !self.crashes.may_start() {
            return Ok(());
        }
        let file = self.settings.runtime.join(properties::FILE);
        let chosen = chosen_settings(self.settings.config.as_deref())?;
        let text = properties::text(&self.settings, &self.identity, &chosen, &self.volume.data());
        write_private(&file, &text).map_err(io("write the server's configuration"))?;
        let log = self.settings.runtime.join(properties::LOG_FILE);
        write_private(&log, properties::LOG).map_err(io("write the log's configuration"))?;
        if !self.volume.record().formatted {
            self.format().await?;
        }
        let mut command = self.java("kafka.Kafka");
        command.arg(&file);
        self.server = Some(
            self.children
                .start(&mut command)
                .map_err(io(format!("run {}", self.settings.java.display())))?,
        );
        self.board.note(|facts| facts.problem = None);
        tracing::info!("started the server");
        Ok(())
    }

    /// Formats the volume for its cluster.
    async fn format(&mut self) -> Result<(), Error> {
        self.volume.clear()?;
        let record = self.volume.record();
        let Some(cluster) = &record.cluster else {
            return Ok(());
        };
        let mut command = self.java("kafka.tools.StorageTool");
        command
            .args(["format", "--cluster-id", &cluster.id, "--config"])
            .arg(self.settings.runtime.join(properties::FILE));
        if record.voter {
            let voters: Vec<String> = cluster
                .first
                .iter()
                .filter_map(|(member, directory)| {
                    let node = self.settings.node(member)?;
                    let host = self.settings.membership.host(member);
                    Some(format!("{node}@{host}:{}:{directory}", ports::KAFKA_QUORUM))
                })
                .collect();
            command.args(["--initial-controllers", &voters.join(",")]);
        } else {
            command.arg("--no-initial-controllers");
        }
        let what = "format the volume";
        self.children.run(what, &mut command).await?.success(what)?;
        self.volume.formatted()
    }

    fn java(&self, program: &str) -> Command {
        let mut command = Command::new(&self.settings.java);
        command.args(properties::java(&self.settings)).arg(program);
        command
    }

    /// A server that ends by itself is started again, after a growing pause.
    fn crashed(&mut self, exit: Exit) {
        let problem = self.crashes.note("the server", exit);
        self.declared = false;
        self.board.note(|facts| {
            facts.crashes += 1;
            facts.problem = Some(problem);
        });
    }

    /// What the other members' agents tell.
    async fn ask_peers(&self) -> Vec<MemberFacts> {
        let others = self.settings.membership.others();
        let found = join_all(others.map(|member| async {
            let found = self
                .peers
                .addresses(&self.settings.membership.host(member))
                .await;
            found.into_iter().next()
        }))
        .await;
        let answers = self.peers.ask(found.into_iter().flatten()).await;
        answers.into_iter().map(|answer| answer.facts).collect()
    }
}
