//! What the cache of recent history saves: the same turns at two storage processes on one MySQL, one with a Redis and
//! one without.
//!
//! Both have conversations of the same length. Turns alternate between the two, one at a time, so that whatever else the
//! machine does meets both alike; the time is that of the call that begins a turn, as the chat workload makes it. What
//! MySQL did is counted afterwards, by its own numbers for each account, over turns that are only begun.

mod counters;
mod side;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chatbot_testkit::mysql::Mysql;
use serde::Serialize;

use crate::archive::MYSQL;
use crate::error::{Error, Result};
use crate::spread::Spread;
use counters::Counters;
use side::{CONVERSATIONS, Side};

/// What is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Parameters {
    /// Messages of each conversation before turns count.
    pub(crate) messages: u32,
    /// Turns at each side.
    pub(crate) turns: u32,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// What was asked for.
    pub(crate) parameters: Parameters,
    /// Conversations that took turns, at each side.
    pub(crate) conversations: usize,
    /// Characters of a message and of an answer.
    pub(crate) characters: (usize, usize),
    /// With a Redis.
    pub(crate) with: Numbers,
    /// Without one.
    pub(crate) without: Numbers,
}

/// Of one side.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Numbers {
    /// Time of a call that begins a turn.
    pub(crate) begin: Spread,
    /// What MySQL does for one.
    pub(crate) mysql: Counters,
}

impl fmt::Display for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, turns } = self;
        write!(
            formatter,
            "{turns} turns in conversations of {messages} messages, with and without a Redis"
        )
    }
}

/// Starts everything, and measures.
pub(crate) async fn measure(program: &Path, parameters: Parameters) -> Result<Measured> {
    let mysql = Arc::new(Mysql::start(&MYSQL.map(str::to_owned)).await?);
    let with = Side::start(program, &mysql, true, parameters.messages).await?;
    let without = Side::start(program, &mysql, false, parameters.messages).await?;
    let mut samples = (Vec::new(), Vec::new());
    for turn in 0..parameters.turns as usize {
        let place = turn % CONVERSATIONS;
        // Who is first changes, too.
        if turn % 2 == 0 {
            samples.0.push(with.turn(place).await?);
            samples.1.push(without.turn(place).await?);
        } else {
            samples.1.push(without.turn(place).await?);
            samples.0.push(with.turn(place).await?);
        }
    }
    Ok(Measured {
        parameters,
        conversations: CONVERSATIONS,
        characters: (side::MESSAGE.len(), side::ANSWER.len()),
        with: numbers(&mysql, &with, samples.0).await?,
        without: numbers(&mysql, &without, samples.1).await?,
    })
}

/// Begins a turn in each conversation, and counts what MySQL did for it.
async fn numbers(mysql: &Mysql, side: &Side, samples: Vec<Duration>) -> Result<Numbers> {
    let before = Counters::read(mysql, side.account()).await?;
    for place in 0..CONVERSATIONS {
        side.begin(place).await?;
    }
    let after = Counters::read(mysql, side.account()).await?;
    let begin = Spread::of(samples)
        .ok_or_else(|| Error::Nothing("there are no numbers of turns".to_owned()))?;
    Ok(Numbers {
        begin,
        mysql: after.each_since(before, CONVERSATIONS),
    })
}
