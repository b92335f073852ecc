//! The history checker: real users through the public door, and afterwards proof that the system
//! kept its promise.
//!
//! [`load::run`] lets users register and talk, as a good client does: each message has an
//! idempotency key, and is sent again with it after a failure, until a deadline. It records every
//! attempt and everything that was acknowledged. [`read::everything`] then reads all conversations
//! back, and [`verify::verify`] compares:
//!
//! 1. an acknowledged message is readable exactly once, where and as it was acknowledged, and an
//!    acknowledged answer too;
//! 2. messages of one client stand in the order in which it sent them;
//! 3. a message that was refused appears nowhere, and a deleted conversation is gone;
//! 4. a message whose fate the client never learned appears at most once;
//! 5. nothing appears that nobody sent; `seq` runs from 1 without gaps.

pub mod client;
pub mod load;
pub mod read;
pub mod summary;
pub mod verify;

use std::time::{Duration, Instant};

use chatbot_api::conversations::MessageOut;
use chatbot_api::turns::TurnOut;
use uuid::Uuid;

/// Everything that one run did.
#[derive(Clone, Debug)]
pub struct History {
    /// When it began.
    pub began: Instant,
    /// When it ended.
    pub ended: Instant,
    /// What each user did, in its order.
    pub users: Vec<UserHistory>,
}

/// What one user did.
#[derive(Clone, Debug, Default)]
pub struct UserHistory {
    /// Messages, in the order in which they were sent.
    pub messages: Vec<Sent>,
    /// Conversations whose deletion was acknowledged.
    pub deleted: Vec<Uuid>,
    /// Conversations that were asked to be deleted without an acknowledgement: there or not.
    pub deletion_unknown: Vec<Uuid>,
    /// Failed attempts of other requests: registration, deletion, reading.
    pub other_failures: Vec<String>,
}

/// One message and its fate.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Text; no other message has it.
    pub text: String,
    /// The conversation it was sent to; none began a new one.
    pub conversation: Option<Uuid>,
    /// When it was sent first.
    pub began: Instant,
    /// Each attempt that failed, as its user sees it.
    pub failures: Vec<AttemptFailure>,
    /// The stored message, with the time at which the client learned of it.
    pub accepted: Option<(Instant, MessageOut)>,
    /// The whole turn, with the time at which the client learned of it.
    pub done: Option<(Instant, Box<TurnOut>)>,
    /// The status of a final refusal (4xx).
    pub refused: Option<u16>,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFailure {
    /// How long after the run began.
    pub after: Duration,
    /// What was seen: a status and code, or how the connection failed.
    pub seen: String,
}
