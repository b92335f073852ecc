//! The port to the document store: transcripts for analysis, numbers of each day and model, and what was asked for.
//!
//! Everything but the requests is made from the relational store and can be made again from it: a transcript has
//! the id of its message, so that writing it twice changes nothing, and numbers are computed from the
//! transcripts that are there, never counted up. The content of a transcript is the sealed bytes of
//! the message: a deletion of the user's data key reaches it, too.

mod mongo;
mod retention;
mod rows;
mod sqlite;

use chatbot_api::turns::Usage;
use chatbot_contract::requests::Request;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::store::MessageRow;

pub use mongo::{Config, MongoDocuments, Settings};
pub use retention::Retention;
pub use sqlite::SqliteDocuments;

/// How long it is remembered that a message was removed: longer than any process that read the message
/// before can take to write it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Why the document store did not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver failed, or the server refused.
    #[error("the document store failed")]
    Mongo(#[from] mongodb::error::Error),
    /// Some of several writes were refused.
    #[error("the document store refused a write with code {code}: {message}")]
    Refused {
        /// The server's code (<https://www.mongodb.com/docs/manual/reference/error-codes/>).
        code: i32,
        /// The server's words.
        message: String,
    },
    /// No answer came in time.
    #[error("the document store did not answer in time")]
    Late,
    /// SQLite failed.
    #[error("failed to read or write the archive's tables")]
    Sqlite(#[from] chatbot_runtime::sqlite::Error),
    /// A document is not what is written here.
    #[error("a document of the archive cannot be read: {0}")]
    Malformed(String),
}

/// A message as it is archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The message as the relational store has it.
    pub message: MessageRow,
    /// Whose it is.
    pub user_id: Uuid,
    /// Tokens of the turn: of an answer, where they are known.
    pub usage: Option<Usage>,
}

/// A place in the order of all messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The conversation.
    pub conversation: Uuid,
    /// The place in it.
    pub seq: u64,
}

impl Position {
    /// Before every message.
    pub const START: Self = Self {
        conversation: Uuid::nil(),
        seq: 0,
    };
}

/// What was answered on one day by one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// Day in UTC.
    pub day: Date,
    /// Model that wrote the answers.
    pub model: String,
    /// Answered turns.
    pub turns: u64,
    /// Tokens of prompts, of turns whose tokens are known.
    pub prompt_tokens: u64,
    /// Tokens of answers, of turns whose tokens are known.
    pub completion_tokens: u64,
}

/// [`DayUsage`] of everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayNumbers {
    /// What was answered.
    pub usage: DayUsage,
    /// How many users were answered.
    pub users: u64,
}

/// The document store.
pub trait Documents: Send + Sync + 'static {
    /// Makes what must be there before anything is written. Doing it again changes nothing.
    fn prepare(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Writes transcripts over what is there with their ids; a message that was removed stays
    /// removed. The numbers of their days are stale then.
    fn put(
        &self,
        transcripts: &[Transcript],
        retention: Retention,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes messages of a conversation, there or not, and keeps them from being written for a day.
    fn remove(
        &self,
        conversation: Uuid,
        messages: &[Uuid],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes what is there of a conversation, and keeps it from being written for a day.
    fn remove_conversation(
        &self,
        conversation: Uuid,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Forgets which messages were removed, so that they can be written again; all numbers are stale
    /// then.
    fn renew(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives transcripts after a place, in order.
    fn after(
        &self,
        after: Position,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Transcript>, Error>> + Send;

    /// Says what a user was answered from one day to another, both included, in order of day and model.
    fn usage(
        &self,
        user: Uuid,
        from: Date,
        to: Date,
    ) -> impl Future<Output = Result<Vec<DayUsage>, Error>> + Send;

    /// Computes numbers that are stale from the transcripts that are there. Those of days before
    /// `since` stay as they are: their transcripts may have begun to expire.
    fn compute(&self, since: Option<Date>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives all numbers, in order of day and model.
    fn numbers(&self) -> impl Future<Output = Result<Vec<DayNumbers>, Error>> + Send;

    /// Writes requests over what is there with their ids.
    fn note(
        &self,
        requests: &[Request],
        retention: Retention,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives requests from a time on, in order of time.
    fn requests(
        &self,
        from: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Request>, Error>> + Send;

    /// Removes what has expired, where the store does not do it by itself.
    fn expire(&self, now: Timestamp) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Transcript {
    /// Its place.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position {
            conversation: self.message.conversation_id,
            seq: self.message.seq,
        }
    }

    /// The day it was written on, in UTC.
    fn day(&self) -> Date {
        day(self.message.created_at)
    }

    /// The model that wrote it; none wrote a user's message.
    fn model(&self) -> Option<&str> {
        self.message.model.as_deref()
    }
}

/// The day of a time in milliseconds since 1970, in UTC; times out of range are of the first day.
fn day(milliseconds: i64) -> Date {
    Timestamp::from_millisecond(milliseconds)
        .unwrap_or_default()
        .to_zoned(TimeZone::UTC)
        .date()
}

/// Until when it is remembered that something was removed, in milliseconds since 1970.
fn remembered(now: Timestamp) -> i64 {
    now.as_millisecond()
        .saturating_add(i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX))
}
