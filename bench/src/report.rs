//! What was measured, as a page for people.

use std::fmt::Write as _;

use serde::Serialize;

use crate::machine::Machine;
use crate::{archive, history};

/// The most that 99 of 100 messages may take to the archive, in milliseconds.
const FLOOR_MS: f64 = 1_000.0;

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What it was measured on.
    pub(crate) machine: Machine,
    /// How soon a message is archived.
    pub(crate) archive: Option<archive::Measured>,
    /// What the cache of recent history saves.
    pub(crate) history: Option<history::Measured>,
}

impl Report {
    /// The page.
    pub(crate) fn markdown(&self) -> String {
        let Self {
            machine,
            archive,
            history,
        } = self;
        let mut page = format!(
            "# Benchmarks\n\n\
             Written by `make bench`, which runs storage, MySQL, Redis, Kafka and FerretDB as processes of one machine, one \
             of each.\nMySQL and PostgreSQL have a commit on the disk before they say so, as in a cluster; \
             Kafka's Java\nis told to be small. Times are in milliseconds, and percentiles are samples (nearest \
             rank).\n\n{machine}\n"
        );
        if let Some(measured) = archive {
            page.push_str(&of_the_archive(measured));
        }
        if let Some(measured) = history {
            page.push_str(&of_the_history(measured));
        }
        page.push_str(PEERS);
        page
    }
}

/// What there is to compare with.
const PEERS: &str = "\
## Peers

The history is measured against itself without its cache, in one run. The way to the archive has no peer in this run: the
nearest is change data capture, Debezium's MySQL connector and a MongoDB sink in Kafka Connect, which needs a Connect
cluster that nothing here has, and which copies rows as the binlog has them rather than what an outbox tells.
";

fn of_the_archive(measured: &archive::Measured) -> String {
    let archive::Measured {
        schedule,
        conversations,
        characters,
        delay,
        delay_since_acknowledgement,
        turn,
        look,
        failed,
        first_failure,
        missing,
        work,
        whole,
    } = measured;
    let mut text = format!(
        "## From a message to its transcript\n\n\
         Load: {schedule}, spread over {conversations} conversations; each is a message of \
         {characters} characters\nand an answer of as many. Storage is called as the chat workload calls it; \
         gateway and chat\nare left out, so that the cores are for the way that is measured. Turns begin when they are due, \
         whatever became of those\nbefore (an open load, without coordinated omission: \
         [Tene](https://github.com/giltene/wrk2), [Schroeder et \
         al.](https://www.usenix.org/legacy/event/nsdi06/tech/full_papers/schroeder/schroeder.pdf)).\n\n\
         | | samples | p50 | p95 | p99 | max |\n|---|---|---|---|---|---|\n\
         | from a message's own time until it is seen in the archive | {} |\n\
         | from its acknowledgement until then | {} |\n\
         | a turn, from when it is due until its answer is acknowledged | {} |\n\
         | a look of the reader | {} |\n\n",
        delay.cells(),
        delay_since_acknowledgement.cells(),
        turn.cells(),
        look.cells(),
    );
    text.push_str(
        "A message's own time is taken before its transaction begins, and its acknowledgement comes after the commit: the \
         delay\nfrom the commit is between the first two rows. A reader asks the collection every 100 ms for what it has not \
         seen; the\nend of the look that finds a message is its time. So both rows are rather too long.\n\n",
    );
    let verdict = if delay.p99_ms <= FLOOR_MS {
        "holds"
    } else {
        "does not hold"
    };
    let afterwards = if *whole {
        "the archive is the same as MySQL, message by message"
    } else {
        "the archive is **not** the same as MySQL"
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "That 99 of 100 messages are in the archive within {FLOOR_MS:.0} ms **{verdict}**. Turns that failed: {failed}{}. \
         Messages that never came:\n{missing}; afterwards {afterwards} (`chatbot verify documents`). The machine's cores \
         were {work}\n(percent of the time of all cores; `java` is Kafka, `chatbot` storage, `chatbot-bench` load and reader).\n",
        first_failure
            .as_ref()
            .map_or_else(String::new, |failure| format!(" (the first: {failure})")),
    );
    text
}

fn of_the_history(measured: &history::Measured) -> String {
    let history::Measured {
        parameters,
        conversations,
        characters,
        with,
        without,
    } = measured;
    let (message, answer) = characters;
    let row = |name: &str, numbers: &history::Numbers| {
        let history::Numbers { begin, mysql } = numbers;
        format!(
            "| {name} | {} | {:.1} | {:.1} | {:.1} |\n",
            begin.cells(),
            mysql.statements,
            mysql.rows_examined,
            mysql.rows_sent
        )
    };
    format!(
        "## A turn begins in a long conversation\n\n\
         Storage is called as the chat workload calls it: {parameters} ({message} characters a message,\n{answer} an answer, \
         {conversations} conversations at each side). Two processes on one MySQL take turns, one turn at a time, so \
         what\nelse the machine does meets both alike. The time is that of the call which stores the message and \
         gives the history;\nMySQL's own numbers, for each such call, say what it did.\n\n\
         | recent history | samples | p50 | p95 | p99 | max | statements | rows read | rows sent |\n\
         |---|---|---|---|---|---|---|---|---|\n{}{}\n\
         The cache is there so that a history is read before the lock of the conversation's row is taken, and not from MySQL's \
         primary,\nof which there is one.\n\n",
        row("at Redis", with),
        row("from MySQL", without),
    )
}
