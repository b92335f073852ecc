//! How soon a message is archived: from its row in MySQL, over the outbox, a relay, Kafka and a consumer, to its
//! document in FerretDB, while people talk.
//!
//! People talk through the gateway and the chat workload, whose model is the echo. A delay counts from the
//! message's own time, which is before its commit, until a reader has seen its document: longer than what it
//! stands for, never shorter.

use std::path::Path;
use std::sync::Arc;

use chatbot_contract::{Workload, environment as env};
use chatbot_runtime::telemetry;
use chatbot_testkit::deployment::{Deployment, Model, Setup};
use chatbot_testkit::documents::Documents;
use chatbot_testkit::kafka::Kafka;
use chatbot_testkit::mysql::Mysql;
use chatbot_testkit::person::Person;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::load::{Arrival, Schedule};
use crate::machine::Cores;
use crate::spread::Spread;
use crate::turn;
use crate::watch;

/// People who talk.
const PEOPLE: usize = 20;

/// Conversations of each, which take turns.
const CONVERSATIONS: usize = 10;

/// Accounts and conversations that are made at once.
const AT_ONCE: usize = 4;

/// What a person says each time, in characters; the echo adds a little.
const CHARACTERS: usize = 200;

/// Turns of each person in a minute that the gateway lets through: the load is not to be limited.
const LIMIT: u32 = 1_000_000;

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
    /// Characters of what a person says.
    pub(crate) characters: usize,
    /// From a message's own time to the end of the look that found its document.
    pub(crate) delay: Spread,
    /// From a message's acknowledgement to the same moment.
    pub(crate) delay_since_acknowledgement: Spread,
    /// From when a turn was due to the end of its answer's stream.
    pub(crate) turn: Spread,
    /// How long the reader's looks took.
    pub(crate) look: Spread,
    /// Turns that failed.
    pub(crate) failed: usize,
    /// What the first of them said.
    pub(crate) first_failure: Option<String>,
    /// Messages that were acknowledged and never seen in the archive.
    pub(crate) missing: usize,
    /// How much of the time the machine's cores were at work, in percent.
    pub(crate) busy_percent: u64,
    /// Whether every message of MySQL is in the archive as it should be, and nothing else, afterwards.
    pub(crate) whole: bool,
}

/// Someone's conversation.
#[derive(Clone)]
struct Place {
    person: Arc<Person>,
    conversation: Uuid,
}

/// Starts everything, and measures.
pub(crate) async fn measure(program: &Path, schedule: Schedule) -> Result<Measured> {
    let documents = Arc::new(Documents::start_with(POSTGRESQL).await?);
    let deployment = deployment(program, Arc::clone(&documents)).await?;
    let places = places(&deployment.url("")).await?;
    let transcripts = documents.collection("chatbot", "transcripts")?;

    let (acknowledged, expected) = mpsc::unbounded_channel();
    let watching = tokio::spawn(watch::until_all(transcripts, expected));
    let (turns, busy_percent) = {
        let turn = |arrival: Arrival| {
            let place = places[arrival.number % places.len()].clone();
            let acknowledged = acknowledged.clone();
            async move {
                let said = said(arrival.number);
                let tell = |message| {
                    // The reader may have failed, which ends the benchmark.
                    let _ = acknowledged.send((message, arrival.counts));
                };
                let Place {
                    person,
                    conversation,
                } = place;
                turn::take(&person, Some(conversation), &said, tell).await?;
                Ok::<_, Error>(arrival.due.elapsed())
            }
        };
        let mut since = Cores::look()?;
        let turns = schedule.offer(turn, || since = Cores::look().unwrap_or(since));
        let turns = turns.await;
        (turns, Cores::look()?.busy_since(since))
    };
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
        busy_percent,
        whole: whole(&deployment).await?,
    })
}

async fn deployment(program: &Path, documents: Arc<Documents>) -> Result<Deployment> {
    let mysql = Mysql::start(&MYSQL.map(str::to_owned)).await?;
    let kafka = Kafka::start().await?;
    let limit = (
        Workload::Gateway,
        env::RATE_LIMIT_REQUESTS_PER_MINUTE,
        LIMIT.to_string(),
    );
    let setup = Setup {
        mysql: Some(Arc::new(mysql)),
        kafka: Some(Arc::new(kafka)),
        documents: Some(documents),
        model: Model::Echo,
        history_cache: true,
        settings: vec![limit],
        ..Setup::of(program.to_owned())
    };
    Ok(Deployment::start(setup).await?)
}

/// Makes people, and a first turn in each of their conversations.
async fn places(url: &str) -> Result<Vec<Place>> {
    let people: Vec<Arc<Person>> = stream::iter(0..PEOPLE)
        .map(|_| async { Person::register(url).await.map(Arc::new) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let began = Instant::now();
    // In turns: neighbours in time are different people.
    let all = (0..CONVERSATIONS).flat_map(|_| people.iter().cloned());
    let places = stream::iter(all)
        .map(|person| async move {
            let conversation = turn::take(&person, None, &said(0), |_| ()).await?;
            Ok::<_, Error>(Place {
                person,
                conversation,
            })
        })
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    println!(
        "{} conversations began in {:.1} s",
        places.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(places)
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
