//! The port to the relational store: what is kept, and what each step must do in one transaction.
//!
//! The store writes what it is given: ids, times and ciphertext are made by the caller. Every
//! method may run its transaction again after a commit whose outcome is unknown, so each is written
//! to find its own traces and change nothing more.

pub mod deliveries;
mod event;
mod mysql;
pub mod outbox;
mod rows;
pub mod source;
mod sqlite;
pub mod webhooks;

use chatbot_api::conversations::Role;
use chatbot_api::turns::Usage;
use uuid::Uuid;

use crate::crypto::WrappedKey;
use crate::cursor::ConversationCursor;
use crate::recent::Recent;

pub use mysql::{Events, MysqlStore};
pub(crate) use rows::role_number;
pub use sqlite::SqliteStore;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such conversation or turn, or it belongs to another user.
    #[error("there is no such conversation or turn")]
    NotFound,
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A newer attempt took the turn over.
    #[error("a newer attempt took this turn over")]
    Superseded,
    /// The attempt was never begun.
    #[error("this attempt was never begun")]
    NoSuchAttempt,
    /// MySQL failed.
    #[error("failed to read or write the store")]
    Mysql(#[from] chatbot_runtime::mysql::Error),
    /// SQLite failed.
    #[error("failed to read or write the store")]
    Sqlite(#[from] chatbot_runtime::sqlite::Error),
}

/// A conversation as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ConversationRow {
    /// Id.
    pub id: Uuid,
    /// Sealed.
    pub title: Vec<u8>,
    /// `seq` of its last message.
    pub last_seq: u64,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub updated_at: i64,
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Id.
    pub id: Uuid,
    /// Conversation.
    pub conversation_id: Uuid,
    /// Turn.
    pub turn_id: Uuid,
    /// Place in the conversation.
    pub seq: u64,
    /// Who it is from.
    pub role: Role,
    /// Sealed.
    pub content: Vec<u8>,
    /// Model that wrote it.
    pub model: Option<String>,
    /// In milliseconds since 1970.
    pub created_at: i64,
}

/// A turn that shall begin, unless its key began it before.
#[derive(Clone, Debug)]
pub struct NewTurn {
    /// The caller.
    pub user_id: Uuid,
    /// Hash of the idempotency key.
    pub key_hash: [u8; 32],
    /// Fingerprint of the request.
    pub request_hash: [u8; 32],
    /// Id of the turn, where it is new.
    pub turn_id: Uuid,
    /// The conversation to go on with, or the title with which a new one begins.
    pub conversation: Target,
    /// Id of the message.
    pub message_id: Uuid,
    /// Sealed.
    pub content: Vec<u8>,
    /// In milliseconds since 1970.
    pub now: i64,
    /// Most messages of history to return.
    pub history_limit: u32,
    /// What is remembered of the conversation: where the history is among it, it is not read.
    pub recent: Recent,
}

/// Which conversation a turn belongs to.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that exists.
    Existing(Uuid),
    /// A new one.
    New {
        /// Its id.
        id: Uuid,
        /// Its sealed title.
        title: Vec<u8>,
    },
}

impl Target {
    /// The conversation's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Existing(id) | Self::New { id, .. } => *id,
        }
    }
}

/// A turn that has begun, now or earlier.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The user's message.
    pub message: MessageRow,
    /// The attempt that may answer.
    pub attempt: u32,
    /// Messages before it, in order, the newest ones.
    pub history: Vec<MessageRow>,
    /// The answer, where there is one.
    pub answer: Option<AnswerRow>,
}

/// A stored answer.
#[derive(Clone, Debug)]
pub struct AnswerRow {
    /// The message.
    pub message: MessageRow,
    /// Why it ended.
    pub finish_reason: String,
    /// Tokens, where they are known.
    pub usage: Option<Usage>,
}

/// An answer that shall be stored.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    /// The caller.
    pub user_id: Uuid,
    /// The turn.
    pub turn_id: Uuid,
    /// The turn's conversation ([`Store::conversation_of_turn`]).
    pub conversation_id: Uuid,
    /// The attempt that made it.
    pub attempt: u32,
    /// Id of the message.
    pub message_id: Uuid,
    /// Sealed.
    pub content: Vec<u8>,
    /// Model that wrote it.
    pub model: String,
    /// Why it ended.
    pub finish_reason: String,
    /// Tokens, where they are known.
    pub usage: Option<Usage>,
    /// In milliseconds since 1970.
    pub now: i64,
}

impl NewAnswer {
    /// The message that it becomes at a place of its conversation.
    fn message(&self, seq: u64) -> MessageRow {
        MessageRow {
            id: self.message_id,
            conversation_id: self.conversation_id,
            turn_id: self.turn_id,
            seq,
            role: Role::Assistant,
            content: self.content.clone(),
            model: Some(self.model.clone()),
            created_at: self.now,
        }
    }

    /// The answer that it is with its message.
    fn stored(&self, message: MessageRow) -> AnswerRow {
        AnswerRow {
            message,
            finish_reason: self.finish_reason.clone(),
            usage: self.usage,
        }
    }
}

/// A turn with its answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The user's message.
    pub message: MessageRow,
    /// The answer.
    pub answer: AnswerRow,
}

/// The relational store.
pub trait Store: Send + Sync + 'static {
    /// Gives the user's wrapped data key; stores `candidate` as it where there is none yet.
    fn data_key_or(
        &self,
        user: Uuid,
        candidate: &WrappedKey,
        now: i64,
    ) -> impl Future<Output = Result<WrappedKey, Error>> + Send;

    /// Gives the user's wrapped data key.
    fn data_key(
        &self,
        user: Uuid,
    ) -> impl Future<Output = Result<Option<WrappedKey>, Error>> + Send;

    /// Stores the user's message under the conversation's lock, or finds it where the same key
    /// stored it before; then the attempt counts one up, unless the turn is answered.
    fn begin(&self, turn: &NewTurn) -> impl Future<Output = Result<Begun, Error>> + Send;

    /// Gives the conversation of a turn of this user.
    fn conversation_of_turn(
        &self,
        user: Uuid,
        turn: Uuid,
    ) -> impl Future<Output = Result<Uuid, Error>> + Send;

    /// Gives a turn of this user with its answer, where there is one.
    fn turn(
        &self,
        user: Uuid,
        turn: Uuid,
    ) -> impl Future<Output = Result<Option<Answered>, Error>> + Send;

    /// Stores an answer of the newest attempt, or finds the one that this attempt stored before.
    fn answer(&self, answer: &NewAnswer) -> impl Future<Output = Result<Answered, Error>> + Send;

    /// Lists conversations after a cursor, newest first.
    fn conversations(
        &self,
        user: Uuid,
        after: Option<ConversationCursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ConversationRow>, Error>> + Send;

    /// Gives one conversation.
    fn conversation(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> impl Future<Output = Result<ConversationRow, Error>> + Send;

    /// Lists messages with a `seq` above `after`, in order.
    fn messages(
        &self,
        user: Uuid,
        conversation: Uuid,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<MessageRow>, Error>> + Send;

    /// Removes a conversation and everything in it, whatever its size; idempotency rows stay.
    fn delete(
        &self,
        user: Uuid,
        conversation: Uuid,
        now: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes what a deletion that was cut off has left; says how many conversations.
    fn sweep(&self) -> impl Future<Output = Result<usize, Error>> + Send;
}
