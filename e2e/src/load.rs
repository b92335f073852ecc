//! Real users who talk all the time, and afterwards proof of what became of their messages.

use chatbot_testkit::history::client::Failure;
use chatbot_testkit::history::load::{self, Options, Ran};
use chatbot_testkit::history::read::Readable;
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::{read, verify};
use chatbot_testkit::person::Person;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::Settings;
use crate::error::ensure;
use crate::{Error, Result};

/// Users that talk at the same time.
const USERS: usize = 4;
/// Questions that a person asks so that the users have talked meanwhile.
const QUESTIONS: usize = 12;

/// Users who talk.
pub struct Load {
    task: JoinHandle<Result<Ran, Failure>>,
    stop: DropGuard,
    witness: Person,
}

impl Load {
    /// Lets users register and talk, and returns when they are at it.
    ///
    /// # Errors
    /// The system does not answer.
    pub async fn start(url: &str) -> Result<Self> {
        let stop = CancellationToken::new();
        let parsed = url
            .parse()
            .map_err(|error| Error::Wrong(format!("{url} is no URL: {error}")))?;
        let options = Options::new(parsed, USERS);
        let token = stop.clone();
        let task = tokio::spawn(async move { load::run(&options, token).await });
        let load = Self {
            task,
            stop: stop.drop_guard(),
            witness: Person::register(url).await?,
        };
        load.go_on().await?;
        Ok(load)
    }

    /// Lets the users talk as long as one more person needs for some questions.
    ///
    /// # Errors
    /// The system refuses one of the questions.
    pub async fn go_on(&self) -> Result<()> {
        for number in 0..QUESTIONS {
            self.witness
                .ask(None, &format!("question {number}"))
                .await?;
        }
        Ok(())
    }

    /// Stops the users, reads everything back, and prints the numbers.
    ///
    /// # Errors
    /// The users could not register, or a page cannot be read.
    pub async fn finish(self, what: &str) -> Result<Summary> {
        self.finish_and_read(what).await.map(|(summary, _)| summary)
    }

    /// The same, with everything that can be read.
    ///
    /// # Errors
    /// The users could not register, or a page cannot be read.
    pub async fn finish_and_read(self, what: &str) -> Result<(Summary, Vec<Readable>)> {
        drop(self.stop);
        let failed = |failure: Failure| Error::Wrong(format!("{what}: {failure}"));
        let joined = self.task.await.map_err(Error::http("wait for the users"))?;
        let mut ran = joined.map_err(failed)?;
        let readable = read::everything(&mut ran.clients).await.map_err(failed)?;
        let summary = Summary::new(&ran.history, verify::verify(&ran.history, &readable));
        println!("{what}: {summary}");
        record(what, &summary).map_err(|error| {
            Error::Wrong(format!("failed to record the numbers of {what}: {error}"))
        })?;
        Ok((summary, readable))
    }
}

/// Keeps the numbers as a row of `docs/reliability.md` (`make reliability` puts the rows together).
fn record(what: &str, summary: &Summary) -> std::io::Result<()> {
    let folder = Settings::from_environment().state.join("reliability");
    std::fs::create_dir_all(&folder)?;
    let name: String = what
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let row = format!(
        "| {what} | {:.0} s | {} | {} | {} | {} | {:.1} s | {:.0} ms |\n",
        summary.lasted.as_secs_f64(),
        summary.sent,
        summary.done,
        summary.violations.len(),
        summary.failed(),
        summary.write_gap.as_secs_f64(),
        summary.p99.as_secs_f64() * 1000.0,
    );
    std::fs::write(folder.join(name), row)
}

/// Sees that nothing acknowledged was lost, doubled or reordered.
///
/// # Errors
/// Something was.
pub fn nothing_lost(summary: &Summary) -> Result<()> {
    ensure(summary.violations.is_empty() && summary.done > 0, || {
        summary.to_string()
    })
}

/// Sees that, besides, no request failed.
///
/// # Errors
/// One did.
pub fn nothing_failed(summary: &Summary) -> Result<()> {
    nothing_lost(summary)?;
    ensure(summary.failed() == 0 && summary.unknown == 0, || {
        summary.to_string()
    })
}
