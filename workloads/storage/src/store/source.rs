//! The port of the archive to the relational store: messages with what is known of their turns.

use super::Error;
use crate::documents::{Position, Transcript};

/// Where transcripts come from. What belongs to a conversation that is deleted is not there.
pub trait Source: Send + Sync + 'static {
    /// Gives the messages at these places, in any order; a place without one is left out.
    fn at(
        &self,
        places: &[Position],
    ) -> impl Future<Output = Result<Vec<Transcript>, Error>> + Send;

    /// Gives messages after a place, in order.
    fn after(
        &self,
        after: Position,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Transcript>, Error>> + Send;
}
