//! The port to the outbox: events that are committed and not yet told.
//!
//! A row is written in the transaction of its cause. Relays read rows in order, tell them, and
//! remove what was taken. Each bucket (a hash of the conversation) has one relay at a time, by a
//! lease; that keeps two relays from telling the same rows, and no guarantee rests on it: a relay
//! whose lease ran out while it told may tell a row again, always after the rows before it, since
//! those were told before they were removed.

use std::time::Duration;

use uuid::Uuid;

use super::Error;

/// Buckets of conversations.
pub const BUCKETS: u16 = 16;

/// How long a relay owns its buckets after it last said that it is alive.
pub const LEASE: Duration = Duration::from_secs(10);

/// The bucket of a conversation. The last bits of a UUIDv7 are random (RFC 9562 section 5.7).
#[must_use]
pub fn bucket(conversation: Uuid) -> u16 {
    u16::from(conversation.as_bytes()[15]) % BUCKETS
}

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct OutboxRow {
    /// Its place: rows of one conversation have growing ones.
    pub position: u64,
    /// The conversation.
    pub conversation_id: Uuid,
    /// The event as JSON.
    pub event: Vec<u8>,
}

/// What waits in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows.
    pub rows: u64,
    /// When the oldest was written, in milliseconds since 1970.
    pub oldest: Option<i64>,
}

/// The outbox.
pub trait Outbox: Send + Sync + 'static {
    /// Says that `relay` is alive: renews its leases, takes free buckets up to its share and gives
    /// away what it has above it. Gives the buckets that it owns for [`LEASE`] from now on.
    fn lease(&self, relay: Uuid) -> impl Future<Output = Result<Vec<u16>, Error>> + Send;

    /// Gives everything that `relay` owns to the others.
    fn release(&self, relay: Uuid) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives the first rows of these buckets, in order.
    fn waiting(
        &self,
        buckets: &[u16],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<OutboxRow>, Error>> + Send;

    /// Removes rows that were told.
    fn told(&self, positions: &[u64]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Says how much waits.
    fn backlog(&self) -> impl Future<Output = Result<Backlog, Error>> + Send;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::{BUCKETS, bucket};

    #[test]
    fn conversations_spread_over_all_buckets() {
        let found: HashSet<_> = (0..1_000).map(|_| bucket(Uuid::now_v7())).collect();
        assert_eq!(found.len(), usize::from(BUCKETS));
        assert!(found.iter().all(|bucket| *bucket < BUCKETS));
    }
}
