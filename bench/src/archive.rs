//! How soon a message is archived: from its row in MySQL, over the outbox, a relay, Kafka and a consumer, to its
//! document in FerretDB, while turns come at a constant rate.
//!
//! Storage is called as the chat workload calls it. A delay counts from the message's own time, which is before its
//! commit, until a reader has seen its document: longer than what it stands for, never shorter.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_runtime::telemetry;
use chatbot_testkit::deployment::{Deployment, Setup};
use chatbot_testkit::documents::Documents;
use chatbot_testkit::kafka::Kafka;
use chatbot_testkit::mysql::Mysql;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedSender};
use uuid::Uuid;

use crate::cores::{Cores, Work};
use crate::error::{Error, Result};
use crate::load::{Arrival, Schedule};
use crate::spread::Spread;
use crate::storage::Storage;
use crate::watch::{self, Acknowledged};

/// Users.
const USERS: usize = 20;

/// Conversations of each, which take turns.
const CONVERSATIONS: usize = 10;

/// Conversations that are made at once.
const AT_ONCE: usize = 4;

/// Characters of a message, and of its answer.
const CHARACTERS: usize = 200;

/// A MySQL that is as durable as a member that the operator makes. Test servers are not.
pub(crate) const MYSQL: [&str; 6] = [
    "--innodb-redo-log-capacity=128M",
    "--innodb-buffer-pool-size=128M",
    "--innodb-doublewrite=ON",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-flush-method=O_DIRECT",
    "--sync-binlog=1",
];

/// A PostgreSQL that is as durable.
const POSTGRESQL: &str = "fsync = on\nshared_buffers = '128MB'\n";

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// When turns began.
    pub(crate) schedule: Schedule,
    /// Conversations that took turns.
    pub(crate) conversations: usize,
    /// Characters of a message, and of its answer.
    pub(crate) characters: usize,
    /// From a message's own time to the end of the look that found its document.
    pub(crate) delay: Spread,
    /// From a message's acknowledgement to the same moment.
    pub(crate) delay_since_acknowledgement: Spread,
    /// From when a turn was due to the acknowledgement of its answer.
    pub(crate) turn: Spread,
    /// How long the reader's looks took.
    pub(crate) look: Spread,
    /// Turns that failed.
    pub(crate) failed: usize,
    /// What the first of them said.
    pub(crate) first_failure: Option<String>,
    /// Messages that were acknowledged and never seen in the archive.
    pub(crate) missing: usize,
    /// What the machine's cores did while turns that count began and ended.
    pub(crate) work: Work,
    /// Whether every message of MySQL is in the archive as it should be, and nothing else, afterwards.
    pub(crate) whole: bool,
}

/// Someone's conversation.
#[derive(Clone)]
struct Place {
    storage: Storage,
    conversation: Uuid,
}

/// Starts everything, and measures.
pub(crate) async fn measure(program: &Path, schedule: Schedule) -> Result<Measured> {
    let documents = Arc::new(Documents::start_with(POSTGRESQL).await?);
    let deployment = deployment(program, Arc::clone(&documents)).await?;
    let places = places(&Storage::of(&deployment)?).await?;
    let transcripts = documents.collection("chatbot", "transcripts")?;

    let (acknowledged, expected) = mpsc::unbounded_channel();
    let watching = tokio::spawn(watch::until_all(transcripts, expected));
    let mut since = Cores::look()?;
    let turns = schedule.offer(
        |arrival| {
            let place = places[arrival.number % places.len()].clone();
            place.turn(arrival, acknowledged.clone())
        },
        || {
            if let Ok(now) = Cores::look() {
                since = now;
            }
        },
    );
    let turns = turns.await;
    let work = Cores::look()?.since(&since);
    drop(acknowledged);
    let seen = watching.await.map_err(|_| nothing("the reader"))??;

    let mut durations = Vec::new();
    let mut failures = Vec::new();
    for (arrival, turn) in turns {
        match turn {
            Ok(duration) if arrival.counts => durations.push(duration),
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    let spread = |samples, of| Spread::of(samples).ok_or_else(|| nothing(of));
    Ok(Measured {
        schedule,
        conversations: places.len(),
        characters: CHARACTERS,
        delay: spread(seen.since_created, "messages")?,
        delay_since_acknowledgement: spread(seen.since_told, "messages")?,
        turn: spread(durations, "turns")?,
        look: spread(seen.looks, "looks")?,
        failed: failures.len(),
        first_failure: failures.first().map(|failure| telemetry::chain(failure)),
        missing: seen.missing,
        work,
        whole: whole(&deployment).await?,
    })
}

impl Place {
    /// Stores a message and its answer; says how long it took from when it was due.
    async fn turn(
        self,
        arrival: Arrival,
        acknowledged: UnboundedSender<Acknowledged>,
    ) -> Result<Duration> {
        let tell = |message| {
            // The reader may have failed, which ends the benchmark.
            let _ = acknowledged.send(Acknowledged::now(message, arrival.counts));
        };
        let said = said(arrival.number);
        let begun = self.storage.begin(Some(self.conversation), &said).await?;
        tell(&begun.message);
        let turn = self.storage.answer(&begun, &said).await?;
        tell(&turn.answer);
        Ok(arrival.due.elapsed())
    }
}

async fn deployment(program: &Path, documents: Arc<Documents>) -> Result<Deployment> {
    let mysql = Mysql::start(&MYSQL.map(str::to_owned)).await?;
    let kafka = Kafka::start().await?;
    let setup = Setup {
        mysql: Some(Arc::new(mysql)),
        kafka: Some(Arc::new(kafka)),
        documents: Some(documents),
        history_cache: true,
        workloads: vec![Workload::Storage],
        ..Setup::of(program.to_owned())
    };
    Ok(Deployment::start(setup).await?)
}

/// Makes users, and a first turn in each of their conversations. Neighbours are of different users.
async fn places(storage: &Storage) -> Result<Vec<Place>> {
    let users: Vec<_> = (0..USERS).map(|_| storage.another()).collect();
    let all = (0..CONVERSATIONS).flat_map(|_| users.iter().cloned());
    stream::iter(all)
        .map(|storage| async move {
            let begun = storage.begin(None, &said(0)).await?;
            storage.answer(&begun, &said(0)).await?;
            Ok(Place {
                storage,
                conversation: begun.message.conversation_id,
            })
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Compares the archive with MySQL, message by message.
async fn whole(deployment: &Deployment) -> Result<bool> {
    let mut verified = deployment.documents("verify", &[])?;
    let status = verified.ended().await;
    let whole = status.is_ok_and(|status| status.success());
    if !whole {
        println!("{}", verified.errors());
    }
    Ok(whole)
}

fn said(number: usize) -> String {
    let mut text = format!("This is message {number}: ");
    while text.len() < CHARACTERS {
        text.push_str("what is said is not looked at, only stored and handed on. ");
    }
    text.truncate(CHARACTERS);
    text
}

fn nothing(of: &str) -> Error {
    Error::Nothing(format!("there are no numbers of {of}"))
}
