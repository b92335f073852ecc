//! Sets of global transaction identifiers, as far as the operator compares them.
//!
//! The text form is MySQL's: `uuid[:tag]:interval[:interval]…[:tag:interval…]`, sources separated
//! by commas, blanks allowed anywhere between; an interval is `first[-last]`. Tags exist since 8.3.
//! A set is kept as sorted, disjoint, non-adjacent intervals for each source and tag, so equality
//! of the values is equality of the sets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Highest transaction number MySQL gives (`GNO_END - 1`).
const LAST: u64 = i64::MAX as u64 - 1;

/// A set of transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GtidSet {
    sources: BTreeMap<(Uuid, String), Vec<Interval>>,
}

/// Transactions `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    first: u64,
    last: u64,
}

/// Why a text is no set of transactions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A source does not begin with a UUID.
    #[error("{0:?} is not the UUID of a source")]
    Source(String),
    /// A part is neither a tag nor an interval.
    #[error("{0:?} is neither a tag nor an interval of transaction numbers")]
    Part(String),
    /// A source or a tag has no interval.
    #[error("{0:?} names no transaction")]
    Empty(String),
}

impl GtidSet {
    /// Whether there is no transaction in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Number of transactions.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sources.values().flatten().fold(0, |sum, interval| {
            sum.saturating_add(interval.last - interval.first + 1)
        })
    }

    /// Whether every transaction of the other set is in this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.sources.iter().all(|(source, wanted)| {
            let held = self.sources.get(source).map_or(&[][..], Vec::as_slice);
            // Intervals of a source never touch, so one of ours must hold each of theirs whole.
            wanted.iter().all(|wanted| {
                let after = held.partition_point(|interval| interval.first <= wanted.first);
                after
                    .checked_sub(1)
                    .and_then(|index| held.get(index))
                    .is_some_and(|interval| interval.last >= wanted.last)
            })
        })
    }

    /// All transactions of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut sources = self.sources.clone();
        for (source, intervals) in &other.sources {
            sources
                .entry(source.clone())
                .or_default()
                .extend(intervals.iter().copied());
        }
        Self::of(sources)
    }

    fn of(mut sources: BTreeMap<(Uuid, String), Vec<Interval>>) -> Self {
        for intervals in sources.values_mut() {
            *intervals = merged(std::mem::take(intervals));
        }
        Self { sources }
    }
}

/// Sorts, and joins what overlaps or touches.
fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut result: Vec<Interval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match result.last_mut() {
            Some(previous) if interval.first <= previous.last.saturating_add(1) => {
                previous.last = previous.last.max(interval.last);
            }
            _ => result.push(interval),
        }
    }
    result
}

impl FromStr for GtidSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut sources: BTreeMap<(Uuid, String), Vec<Interval>> = BTreeMap::new();
        for source in text.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let mut parts = source.split(':').map(str::trim);
            let uuid = parts.next().unwrap_or_default();
            let uuid = Uuid::parse_str(uuid).map_err(|_| Error::Source(uuid.to_owned()))?;
            let mut tag = String::new();
            let mut waiting = true;
            for part in parts {
                if part.starts_with(|c: char| c.is_ascii_digit()) {
                    let interval = part.parse()?;
                    sources
                        .entry((uuid, tag.clone()))
                        .or_default()
                        .push(interval);
                    waiting = false;
                } else if is_tag(part) && (tag.is_empty() || !waiting) {
                    tag = part.to_ascii_lowercase();
                    waiting = true;
                } else {
                    return Err(Error::Part(part.to_owned()));
                }
            }
            if waiting {
                return Err(Error::Empty(source.to_owned()));
            }
        }
        Ok(Self::of(sources))
    }
}

/// A tag: a letter or underscore, then letters, digits and underscores, 32 at most.
fn is_tag(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl FromStr for Interval {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |text: &str| {
            text.trim()
                .parse::<u64>()
                .ok()
                .filter(|number| (1..=LAST).contains(number))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(Error::Part(text.to_owned())),
        }
    }
}

impl TryFrom<String> for GtidSet {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<GtidSet> for String {
    fn from(set: GtidSet) -> Self {
        set.to_string()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ((uuid, tag), intervals)) in self.sources.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{uuid}")?;
            if !tag.is_empty() {
                write!(f, ":{tag}")?;
            }
            for Interval { first, last } in intervals {
                if first == last {
                    write!(f, ":{first}")?;
                } else {
                    write!(f, ":{first}-{last}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, prop, proptest};
    use uuid::Uuid;

    use super::{Error, GtidSet};

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "11111111-2222-4333-8444-555555555555";

    fn set(text: &str) -> GtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn the_text_of_a_server_is_read() {
        assert!(set("").is_empty());
        let two = set(&format!("{A}:1-5:11-18,\n{B}:1"));
        assert_eq!(two.count(), 14);
        assert_eq!(two.to_string(), format!("{B}:1,{A}:1-5:11-18"));
        assert_eq!(set(&two.to_string()), two);
    }

    #[test]
    fn intervals_that_touch_or_overlap_are_one() {
        assert_eq!(set(&format!("{A}:1-3:4-6:5-9")), set(&format!("{A}:1-9")));
        assert_eq!(set(&format!("{A}:7,{A}:1-6")), set(&format!("{A}:1-7")));
    }

    #[test]
    fn tagged_transactions_are_sources_of_their_own() {
        let tagged = set(&format!("{A}:1-3:blue:1-2:red:7"));
        assert_eq!(tagged.count(), 6);
        assert!(!set(&format!("{A}:1-9")).contains(&tagged));
        assert!(tagged.contains(&set(&format!("{A}:BLUE:2"))));
        assert_eq!(set(&tagged.to_string()), tagged);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in [
            "nonsense:1".to_owned(),
            A.to_owned(),
            format!("{A}:0"),
            format!("{A}:5-3"),
            format!("{A}:1-"),
            format!("{A}:blue"),
            format!("{A}:blue:red:1"),
            format!("{A}:1:"),
            format!("{A}:9223372036854775807"),
        ] {
            assert!(text.parse::<GtidSet>().is_err(), "{text}");
        }
        assert_eq!("x:1".parse::<GtidSet>(), Err(Error::Source("x".to_owned())));
    }

    type Model = BTreeSet<(u8, u8, u64)>;

    fn model() -> impl Strategy<Value = Model> {
        prop::collection::btree_set((0..2_u8, 0..3_u8, 1..12_u64), 0..30)
    }

    fn of(model: &Model) -> GtidSet {
        let texts: Vec<String> = model
            .iter()
            .map(|(source, tag, number)| {
                let uuid = Uuid::from_u128(u128::from(*source) + 1);
                match tag {
                    0 => format!("{uuid}:{number}"),
                    tag => format!("{uuid}:t{tag}:{number}"),
                }
            })
            .collect();
        set(&texts.join(","))
    }

    proptest! {
        #[test]
        fn sets_behave_like_sets(a in model(), b in model()) {
            let (left, right) = (of(&a), of(&b));
            assert_eq!(left.count(), a.len() as u64);
            assert_eq!(left.contains(&right), a.is_superset(&b));
            assert_eq!(left == right, a == b);
            let union: Model = a.union(&b).copied().collect();
            assert_eq!(left.union(&right), of(&union));
            assert_eq!(set(&left.to_string()), left);
        }
    }
}
