//! The agent's one worker: it owns the server's process and everything that is done to it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use chatbot_contract::mysql;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::intent::Source;
use super::plan::{Answer, Outside, Step};
use super::seen::{Board, Seen};
use super::settings::{Identity, Settings};
use super::sql::Server;
use super::volume::Volume;
use super::{Error, cnf, io};
use crate::agent::children::{Children, Exit, Running};
use crate::agent::peers::Peers;
use crate::agent::{chosen_settings, removed, write_private};
use crate::mysql::facts::{MemberState, Phase, Record};
use crate::outcome::chain;

/// `mysqld` ends with this code when it wants to be started again (after a clone).
const RESTART: i32 = 16;
/// Between two attempts at something that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two attempts at making the group.
const AFTER_FAILED_BOOTSTRAP: Duration = Duration::from_secs(5);
/// Longest pause before a server that crashes is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Doubts about own transactions, one look apart, before the data is set aside.
const DOUBTS: u32 = 4;
/// Limits of an orderly stop: together well within the pod's grace period.
const HAND_OVER: Duration = Duration::from_secs(15);
const LEAVE: Duration = Duration::from_secs(20);

/// The worker.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) volume: Volume,
    pub(super) children: Children,
    pub(super) board: Board,
    pub(super) server: Server,
    pub(super) peers: Peers,
    pub(super) intent: Source,
    pub(super) record: Record,
    pub(super) process: Option<Running>,
    /// What was seen before this time is out of date.
    pub(super) acted: Instant,
    /// Since when the server is known to be outside of any group.
    pub(super) outside: Option<Instant>,
    pub(super) doubts: u32,
    pub(super) accounts_checked: bool,
    pub(super) new_data: bool,
    pub(super) crashes_in_a_row: u32,
}

impl Worker {
    /// Works until it is told to stop, and then stops the server in order.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        loop {
            let step = tokio::select! {
                () = stop.cancelled() => break,
                step = self.step() => step,
            };
            if let Err(error) = &step {
                let text = chain(error);
                tracing::warn!(error = text, "a step failed");
                self.board.set_problem(Some(text));
                self.acted = Instant::now();
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
        self.board.set_phase(Phase::Stopping);
        self.stop().await
    }

    /// One look, one deed, and the wait for the next look.
    async fn step(&mut self) -> Result<(), Error> {
        if self.record.group_id != self.identity.group_id {
            self.board.set_phase(Phase::Foreign);
            self.board.set_problem(Some(format!(
                "the volume belongs to group {}, the identity names {}",
                self.record.group_id, self.identity.group_id
            )));
            std::future::pending::<()>().await;
        }
        if !self.volume.has_data() {
            self.board.set_phase(Phase::Preparing);
            self.initialise().await?;
        }
        let Some(process) = &mut self.process else {
            return self.start();
        };
        if let Ok(exit) = process.exit.try_recv() {
            self.process = None;
            return self.ended(exit).await;
        }
        match self.board.seen_since(self.acted) {
            Some(seen) => self.care(seen).await?,
            None => self.wait().await,
        }
        Ok(())
    }

    async fn wait(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        tokio::select! {
            () = self.board.next_look() => {}
            exit = &mut process.exit => {
                self.process = None;
                if let Ok(exit) = exit {
                    // A pause after a crash belongs to the next step's error path, not to this wait.
                    if let Err(error) = self.ended(exit).await {
                        tracing::warn!(error = chain(&error), "the server ended");
                    }
                }
            }
        }
    }

    /// Makes data in a folder beside, quickly: nothing there is worth anything before the rename.
    async fn initialise(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        let new = self.volume.begin()?;
        let mut command = std::process::Command::new(&self.settings.mysqld);
        command
            .args(["--no-defaults", "--initialize-insecure"])
            .arg(format!("--datadir={}", new.display()))
            .args([
                "--innodb-flush-method=nosync",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=OFF",
                "--innodb-redo-log-capacity=8M",
                "--skip-log-bin",
                "--performance-schema=OFF",
                "--log-error-verbosity=1",
            ]);
        let running = self
            .children
            .start(&mut command)
            .map_err(io(format!("run {}", self.settings.mysqld.display())))?;
        match running.exit.await {
            Ok(Exit::Code(0)) => {}
            Ok(exit) => return Err(Error::Initialise(exit.to_string())),
            Err(_) => return Err(Error::Initialise("an unknown end".to_owned())),
        }
        self.record.joined = false;
        self.volume.commit(&self.record)?;
        self.board.set_record(&self.record);
        self.new_data = true;
        tracing::info!(took_ms = millis(began), "made an empty data folder");
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        let chosen = chosen_settings(self.settings.config.as_deref())?;
        let config = cnf::config(
            &self.settings,
            self.identity.group_id,
            &self.volume.data(),
            &chosen,
        );
        // Data that never was in the group gets its accounts again: the first start may have failed.
        let init = cnf::init(&self.identity, self.new_data || !self.record.joined);
        let runtime = &self.settings.runtime;
        let file = runtime.join("my.cnf");
        write_private(&file, &config).map_err(io("write the configuration"))?;
        write_private(&runtime.join("init.sql"), &init)
            .map_err(io("write the first statements"))?;

        // A container that was killed leaves them behind, with the number of a process that may be
        // somebody else's now; the server would then refuse to start.
        for stale in ["mysqld.sock", "mysqld.sock.lock", "mysqld.pid"] {
            let done = std::fs::remove_file(runtime.join(stale));
            removed(done, format!("remove {stale}"))?;
        }
        let mut command = std::process::Command::new(&self.settings.mysqld);
        command
            .arg(format!("--defaults-file={}", file.display()))
            .env("MYSQLD_PARENT_PID", std::process::id().to_string());
        let running = self
            .children
            .start(&mut command)
            .map_err(io(format!("run {}", self.settings.mysqld.display())))?;
        tracing::info!(pid = running.pid, "started the server");
        self.process = Some(running);
        self.acted = Instant::now();
        self.outside = None;
        self.accounts_checked = false;
        self.board.set_phase(Phase::Running);
        Ok(())
    }

    async fn ended(&mut self, exit: Exit) -> Result<(), Error> {
        self.acted = Instant::now();
        if exit == Exit::Code(RESTART) {
            tracing::info!("the server wants to be started again");
            return Ok(());
        }
        self.board.count_crash();
        self.crashes_in_a_row += 1;
        let pause = AGAIN
            .saturating_mul(1 << self.crashes_in_a_row.min(6).saturating_sub(1))
            .min(LONGEST_PAUSE);
        let problem = format!("the server ended with {exit}");
        tracing::warn!(pause_ms = pause.as_millis(), "{problem}");
        self.board.set_problem(Some(problem));
        if self.crashes_in_a_row > 1 {
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Looks after a server that answers.
    async fn care(&mut self, seen: Seen) -> Result<(), Error> {
        // What was seen is newer than the last deed, so that deed has shown its effect.
        self.board.set_phase(Phase::Running);
        match seen.server.state() {
            MemberState::Online => {
                self.outside = None;
                self.doubts = 0;
                self.crashes_in_a_row = 0;
                self.new_data = false;
                if !self.record.joined {
                    self.record.joined = true;
                    self.keep_record()?;
                }
                self.board.set_problem(None);
                if seen.server.is_primary() && !self.accounts_checked {
                    self.check_accounts().await?;
                    self.accounts_checked = true;
                }
            }
            MemberState::Recovering | MemberState::Unreachable => self.outside = None,
            MemberState::Error => {
                self.server.leave(LEAVE).await?;
                self.acted = Instant::now();
                return Ok(());
            }
            MemberState::Offline => {
                if seen.server.writable {
                    self.fence().await?;
                }
                return self.come_in(seen).await;
            }
        }
        self.wait().await;
        Ok(())
    }

    /// Finds a way into a group for a server that is in none.
    async fn come_in(&mut self, seen: Seen) -> Result<(), Error> {
        let since = *self.outside.get_or_insert(seen.at);
        let peers = self.ask_peers().await;
        let intent = self.intent.read().await.unwrap_or_else(|error| {
            let text = chain(&error);
            tracing::warn!(error = text, "failed to read the intent");
            self.board.set_problem(Some(text));
            None
        });
        let step = Outside {
            member: &self.settings.member,
            group_id: self.identity.group_id,
            record: &self.record,
            server: &seen.server,
            since,
            peers: &peers,
            intent: intent.as_ref(),
        }
        .next();
        let account = mysql::REPLICATION_ACCOUNT;
        let password = self.identity.password(account);
        match step {
            Step::Join { seeds } => {
                tracing::info!(seeds = seeds.join(","), "joining the group");
                let began = Instant::now();
                self.board.set_phase(Phase::Entering);
                let empty = seen.server.executed.is_empty();
                self.server.join(&seeds, empty, account, password).await?;
                tracing::info!(took_ms = millis(began), "joined the group");
                self.acted = Instant::now();
            }
            Step::Bootstrap { epoch } => {
                // In this order: who reads that the epoch was used also reads that it is at work.
                self.board.set_phase(Phase::Entering);
                self.record.epoch = epoch;
                self.keep_record()?;
                tracing::info!(epoch, "making the group");
                let made = self
                    .server
                    .bootstrap(account, self.identity.password(account))
                    .await;
                if let Err(error) = made {
                    self.board.set_problem(Some(chain(&error)));
                    // Each attempt takes an epoch: the operator must not write one a second.
                    tokio::time::sleep(AFTER_FAILED_BOOTSTRAP).await;
                    return Err(error);
                }
                tracing::info!(epoch, "made the group");
                self.acted = Instant::now();
            }
            Step::Doubt { errant } => {
                self.doubts += 1;
                tracing::warn!(%errant, doubts = self.doubts, "the group lacks transactions of this member");
                if self.doubts >= DOUBTS {
                    return self.set_aside().await;
                }
                self.wait().await;
            }
            Step::Wait(reason) => {
                tracing::debug!(reason, "waiting");
                self.doubts = 0;
                self.wait().await;
            }
        }
        Ok(())
    }

    /// Keeps data that the group does not share in a folder of its own, and begins anew.
    async fn set_aside(&mut self) -> Result<(), Error> {
        self.board.set_phase(Phase::Preparing);
        self.shut_down().await;
        let seconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let aside = self.volume.set_aside(&seconds.to_string())?;
        tracing::warn!(folder = %aside.display(), "set errant data aside; it will be cloned again");
        self.doubts = 0;
        Ok(())
    }

    /// A server outside the group must not take a write.
    async fn fence(&self) -> Result<(), Error> {
        tracing::warn!("the server is in no group and takes writes: closing it");
        self.server
            .run(
                "close the server",
                LEAVE,
                &["SET GLOBAL super_read_only = ON".to_owned()],
            )
            .await
    }

    /// Makes the accounts fit the identity when one of them does not.
    async fn check_accounts(&self) -> Result<(), Error> {
        for (account, password) in &self.identity.passwords {
            if let Err(error) = self.server.try_login(account, password).await {
                tracing::info!(
                    account,
                    error = chain(&error),
                    "making the accounts fit the identity"
                );
                let statements = cnf::accounts(&self.identity);
                return self
                    .server
                    .run("change the accounts", LEAVE, &statements)
                    .await;
            }
        }
        Ok(())
    }

    fn keep_record(&self) -> Result<(), Error> {
        self.volume.write(&self.record)?;
        self.board.set_record(&self.record);
        Ok(())
    }

    /// Hands the primary over, leaves the group, and ends the server.
    async fn stop(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        if self.process.is_some()
            && let Some(seen) = self.board.seen_since(self.acted)
        {
            if seen.server.is_primary()
                && let Some(successor) = self.successor(&seen).await
            {
                match self.server.hand_over(successor, HAND_OVER).await {
                    Ok(()) => {
                        tracing::info!(to = %successor, took_ms = millis(began), "handed the primary over")
                    }
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "failed to hand the primary over")
                    }
                }
            }
            if seen.server.state() != MemberState::Offline
                && let Err(error) = self.server.leave(LEAVE).await
            {
                tracing::warn!(error = chain(&error), "failed to leave the group");
            }
        }
        self.shut_down().await;
        tracing::info!(took_ms = millis(began), "stopped");
        Ok(())
    }

    /// Asks the other members' agents: a name may stand for many of them.
    async fn ask_peers(&self) -> Vec<Answer> {
        let names = &self.settings.peers;
        let found = join_all(names.iter().map(|name| self.peers.addresses(name))).await;
        let mut addresses: BTreeSet<IpAddr> = found.into_iter().flatten().collect();
        addresses.remove(&self.settings.address);
        let answers = self.peers.ask(addresses).await;
        answers.into_iter().filter_map(Answer::of).collect()
    }

    /// The online member that has most.
    async fn successor(&self, seen: &Seen) -> Option<uuid::Uuid> {
        let peers = self.ask_peers().await;
        seen.server
            .view
            .iter()
            .filter(|member| {
                member.state == MemberState::Online && member.server_id != seen.server.server_id
            })
            .map(|member| {
                let has = peers
                    .iter()
                    .filter_map(|answer| answer.facts.server.as_ref())
                    .find(|server| server.server_id == member.server_id)
                    .map_or(0, |server| server.executed.count());
                (has, member.server_id)
            })
            .max()
            .map(|(_, id)| id)
    }

    /// Ends the server.
    async fn shut_down(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop().await;
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
