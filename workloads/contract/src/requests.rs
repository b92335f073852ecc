//! What the gateway notes of each request, for whoever analyses how a system is used.
//!
//! It says what was asked for and how it went: no content, no query, no token, no address of a network.

use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version that this release writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// Days that requests are kept where nothing else is set.
pub const RETENTION_DAYS: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// UUIDv7, the same however often it is told.
    pub id: Uuid,
    /// When it came.
    pub time: Timestamp,
    /// Its `X-Request-Id`, which the logs of all workloads have, too: a client may have chosen it.
    pub request_id: String,
    /// Method; `other` where a client has made one up.
    pub method: String,
    /// Route with the names of its parameters, never their values, such as `/v1/conversations/{conversation_id}`.
    pub route: String,
    /// Status of the answer; of a WebSocket, that of its opening.
    pub status: u16,
    /// The error's code, where one was told before the answer began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From the request to the end of the answer, in milliseconds: of a stream, to the end of the stream.
    pub milliseconds: u64,
    /// Who asked, where that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// The client's product and version (RFC 9110 section 10.1.5), without what follows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}
