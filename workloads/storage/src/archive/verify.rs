//! Compares the archive with the relational store, beside whatever writes to them.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Archive, Error, PAGE};
use crate::documents::{Documents, Position, Transcript};
use crate::store::source::Source;

/// Most differences that are looked at again and named.
const NAMED: usize = 1_000;

/// Time between two looks at what differs.
const LOOK: Duration = Duration::from_millis(500);

/// How one message differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is stored and not archived.
    Missing(Position),
    /// It is archived and not stored.
    Extra(Position),
    /// It is archived with something else than what is stored.
    Changed(Position),
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Messages that are stored and kept in the archive's retention.
    pub messages: u64,
    /// What differs, at most [`NAMED`] of it: with so many the archive has to be made again anyway.
    pub differences: Vec<Difference>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Missing(_) => "missing in the archive",
            Self::Extra(_) => "in the archive and not stored",
            Self::Changed(_) => "archived with another content",
        };
        let Position { conversation, seq } = self.position();
        write!(
            formatter,
            "message {seq} of conversation {conversation} is {what}"
        )
    }
}

impl Difference {
    /// Which message it is.
    #[must_use]
    pub const fn position(self) -> Position {
        match self {
            Self::Missing(position) | Self::Extra(position) | Self::Changed(position) => position,
        }
    }

    fn between(stored: Option<&Transcript>, archived: Option<&Transcript>) -> Option<Self> {
        match (stored, archived) {
            (Some(stored), None) => Some(Self::Missing(stored.position())),
            (None, Some(archived)) => Some(Self::Extra(archived.position())),
            (Some(stored), Some(archived)) if stored != archived => {
                Some(Self::Changed(stored.position()))
            }
            _ => None,
        }
    }
}

impl<S: Source, D: Documents> Archive<S, D> {
    /// Compares every message. What differs may be on its way: it is looked at again until it differs
    /// no more, at most for `patience`.
    ///
    /// # Errors
    /// Fails when one of the stores fails.
    pub async fn verify(&self, patience: Duration) -> Result<Verified, Error> {
        let mut verified = self.compare().await?;
        let until = Instant::now() + patience;
        loop {
            verified.differences = self.still(&verified.differences).await?;
            if verified.differences.is_empty() || Instant::now() >= until {
                return Ok(verified);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Reads both sides in the same order, once.
    async fn compare(&self) -> Result<Verified, Error> {
        let now = Timestamp::now();
        let kept = |transcript: &Transcript| self.kept(transcript, now);
        let mut stored = self.stored();
        let mut archived = self.archived();
        let (mut one, mut other) = (stored.next(kept).await?, archived.next(kept).await?);
        let mut verified = Verified {
            messages: 0,
            differences: Vec::new(),
        };
        while verified.differences.len() < NAMED {
            let order = match (&one, &other) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => one.position().cmp(&other.position()),
            };
            let here = one.take_if(|_| order.is_le());
            let there = other.take_if(|_| order.is_ge());
            let difference = Difference::between(here.as_ref(), there.as_ref());
            verified.differences.extend(difference);
            if here.is_some() {
                verified.messages += 1;
                one = stored.next(kept).await?;
            }
            if there.is_some() {
                other = archived.next(kept).await?;
            }
        }
        Ok(verified)
    }

    /// What differs now of these.
    async fn still(&self, differences: &[Difference]) -> Result<Vec<Difference>, Error> {
        let mut still = Vec::new();
        for some in differences.chunks(usize::from(PAGE)) {
            let places: Vec<_> = some
                .iter()
                .map(|difference| difference.position())
                .collect();
            let stored = self.source.at(&places).await?;
            for place in places {
                let before = Position {
                    seq: place.seq.saturating_sub(1),
                    ..place
                };
                let archived = self.documents.after(before, 1).await?;
                let at = |of: &&Transcript| of.position() == place;
                still.extend(Difference::between(
                    stored.iter().find(at),
                    archived.iter().find(at),
                ));
            }
        }
        Ok(still)
    }
}
