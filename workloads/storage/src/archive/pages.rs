//! All messages of a store, page by page, in order.

use std::collections::VecDeque;

use super::{Archive, Error, PAGE};
use crate::documents::{Documents, Position, Transcript};
use crate::store::source::Source;

/// Where messages are read.
enum Side<'a, S, D> {
    /// In the relational store.
    Stored(&'a S),
    /// In the document store.
    Archived(&'a D),
}

/// Reads one side from its start to its end.
pub(super) struct Pages<'a, S, D> {
    side: Side<'a, S, D>,
    after: Position,
    waiting: VecDeque<Transcript>,
}

impl<S: Source, D: Documents> Archive<S, D> {
    /// All messages of the relational store.
    pub(super) const fn stored(&self) -> Pages<'_, S, D> {
        Pages::new(Side::Stored(&self.source))
    }

    /// All messages of the document store.
    pub(super) const fn archived(&self) -> Pages<'_, S, D> {
        Pages::new(Side::Archived(&self.documents))
    }
}

impl<'a, S: Source, D: Documents> Pages<'a, S, D> {
    const fn new(side: Side<'a, S, D>) -> Self {
        Self {
            side,
            after: Position::START,
            waiting: VecDeque::new(),
        }
    }

    /// The next page; empty at the end.
    pub(super) async fn page(&mut self) -> Result<Vec<Transcript>, Error> {
        let limit = u32::from(PAGE);
        let page = match self.side {
            Side::Stored(source) => source.after(self.after, limit).await?,
            Side::Archived(documents) => documents.after(self.after, limit).await?,
        };
        if let Some(last) = page.last() {
            self.after = last.position();
        }
        Ok(page)
    }

    /// The next message that `kept` says yes to; nothing at the end.
    pub(super) async fn next(
        &mut self,
        kept: impl Fn(&Transcript) -> bool,
    ) -> Result<Option<Transcript>, Error> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                if kept(&next) {
                    return Ok(Some(next));
                }
                continue;
            }
            self.waiting = self.page().await?.into();
            if self.waiting.is_empty() {
                return Ok(None);
            }
        }
    }
}
