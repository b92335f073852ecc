//! Makes the archive again from the relational store, beside whatever else writes to it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Archive, Error};
use crate::documents::{Documents, Position, Transcript};
use crate::store::source::Source;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Messages that were read from the relational store; they are in the archive now, unless they are
    /// older than what is kept.
    pub read: u64,
    /// Transcripts that were removed, since their messages are gone.
    pub removed: u64,
}

impl<S: Source, D: Documents> Archive<S, D> {
    /// Writes every message, removes what has none, and computes all numbers. Tells `progress` after
    /// each page.
    ///
    /// # Errors
    /// Fails when one of the stores fails; it can be run again then.
    pub async fn rebuild(&self, progress: impl Fn(Rebuilt)) -> Result<Rebuilt, Error> {
        let mut done = Rebuilt::default();
        self.documents.prepare().await?;
        // The relational store may have been restored to a time before a deletion.
        self.documents.renew().await?;
        let mut pages = self.stored();
        loop {
            let page = pages.page().await?;
            if page.is_empty() {
                break;
            }
            done.read += u64::try_from(page.len()).unwrap_or(u64::MAX);
            let written = messages(&page);
            self.write(page).await?;
            // What was deleted since it was read was not in the archive when its deletion got there.
            done.removed += self.remove_deleted(written).await?;
            progress(done);
        }
        let mut pages = self.archived();
        loop {
            let page = pages.page().await?;
            if page.is_empty() {
                break;
            }
            done.removed += self.remove_deleted(messages(&page)).await?;
            progress(done);
        }
        let whole = self.retention.whole_since(Timestamp::now());
        self.documents.compute(whole).await?;
        Ok(done)
    }

    /// Removes those that are not in the relational store; says how many.
    async fn remove_deleted(&self, mut messages: BTreeMap<Position, Uuid>) -> Result<u64, Error> {
        let places: Vec<_> = messages.keys().copied().collect();
        for there in self.source.at(&places).await? {
            messages.remove(&there.position());
        }
        self.remove(&messages).await?;
        Ok(u64::try_from(messages.len()).unwrap_or(u64::MAX))
    }
}

fn messages(page: &[Transcript]) -> BTreeMap<Position, Uuid> {
    page.iter()
        .map(|transcript| (transcript.position(), transcript.message.id))
        .collect()
}
