//! All messages of a store, page by page, in order.

use std::collections::VecDeque;

use super::{Error, PAGE};
use crate::documents::{Documents, Position, Transcript};
use crate::store::source::Source;

/// Reads one side from its start to its end.
pub(super) struct Pages<R> {
    read: R,
    after: Position,
    waiting: VecDeque<Transcript>,
}

impl<R: AsyncFnMut(Position, u32) -> Result<Vec<Transcript>, Error>> Pages<R> {
    pub(super) const fn new(read: R) -> Self {
        Self {
            read,
            after: Position::START,
            waiting: VecDeque::new(),
        }
    }

    /// The next page; empty at the end.
    pub(super) async fn page(&mut self) -> Result<Vec<Transcript>, Error> {
        let page = (self.read)(self.after, u32::from(PAGE)).await?;
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

/// All messages of the relational store.
pub(super) fn of_source<S: Source>(
    source: &S,
) -> Pages<impl AsyncFnMut(Position, u32) -> Result<Vec<Transcript>, Error>> {
    Pages::new(async move |after, limit| Ok(source.after(after, limit).await?))
}

/// All messages of the document store.
pub(super) fn of_documents<D: Documents>(
    documents: &D,
) -> Pages<impl AsyncFnMut(Position, u32) -> Result<Vec<Transcript>, Error>> {
    Pages::new(async move |after, limit| Ok(documents.after(after, limit).await?))
}
