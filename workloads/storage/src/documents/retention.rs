//! How long documents are kept.

use std::num::NonZeroU32;

use jiff::Timestamp;
use jiff::civil::Date;

use super::day;

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// How long documents are kept after what they tell of; without days, as long as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    days: Option<NonZeroU32>,
}

impl Retention {
    /// Keeps documents for so many days.
    #[must_use]
    pub const fn new(days: Option<NonZeroU32>) -> Self {
        Self { days }
    }

    /// When what was written at a time expires, both in milliseconds since 1970.
    #[must_use]
    pub fn expires_at(self, created_at: i64) -> Option<i64> {
        self.days
            .map(|days| created_at.saturating_add(i64::from(days.get()) * DAY))
    }

    /// Whether what was written at a time is kept no more.
    #[must_use]
    pub fn expired(self, created_at: i64, now: Timestamp) -> bool {
        self.expires_at(created_at)
            .is_some_and(|at| at <= now.as_millisecond())
    }

    /// The first day of which nothing has expired.
    #[must_use]
    pub fn whole_since(self, now: Timestamp) -> Option<Date> {
        let days = i64::from(self.days?.get());
        let oldest = day(now.as_millisecond().saturating_sub(days * DAY));
        Some(oldest.tomorrow().unwrap_or(oldest))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use jiff::Timestamp;
    use jiff::civil::date;

    use super::Retention;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_day_is_whole_while_its_first_moment_is_kept() {
        let week = Retention::new(NonZeroU32::new(7));
        let now = time("2026-11-27T10:00:00Z");
        assert_eq!(week.whole_since(now), Some(date(2026, 11, 21)));
        let first = time("2026-11-21T00:00:00Z").as_millisecond();
        assert!(!week.expired(first, now));
        assert!(week.expired(time("2026-11-20T10:00:00Z").as_millisecond(), now));
    }

    #[test]
    fn without_days_nothing_expires() {
        let now = time("2026-11-27T10:00:00Z");
        assert!(!Retention::default().expired(0, now));
        assert_eq!(Retention::default().whole_since(now), None);
    }
}
