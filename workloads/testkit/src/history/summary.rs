//! The numbers of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::History;
use super::verify::Violation;
use crate::percentile::percentile;

/// Violations that are shown; the rest is counted.
const SHOWN: usize = 20;

/// The numbers of a run, and what was wrong.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How long it ran.
    pub lasted: Duration,
    /// Users.
    pub users: usize,
    /// Messages sent.
    pub sent: usize,
    /// Messages whose storage was acknowledged.
    pub accepted: usize,
    /// Messages whose answer was acknowledged.
    pub done: usize,
    /// Messages refused for good.
    pub refused: usize,
    /// Messages without a known fate.
    pub unknown: usize,
    /// HTTP attempts that failed, as their users saw them, by what was seen.
    pub failed_attempts: BTreeMap<String, usize>,
    /// Failed attempts to do something else than to talk.
    pub other_failures: usize,
    /// The longest time in which no user got a message acknowledged.
    pub write_gap: Duration,
    /// Half of the turns took no longer.
    pub p50: Duration,
    /// 99 of 100 turns took no longer.
    pub p99: Duration,
    /// Broken promises.
    pub violations: Vec<Violation>,
}

impl Summary {
    /// Puts the numbers together.
    #[must_use]
    pub fn new(history: &History, violations: Vec<Violation>) -> Self {
        let messages = || history.users.iter().flat_map(|user| &user.messages);
        let mut failed_attempts = BTreeMap::new();
        for failure in messages().flat_map(|sent| &sent.failures) {
            *failed_attempts.entry(failure.seen.clone()).or_default() += 1;
        }
        let mut durations: Vec<Duration> = messages()
            .filter_map(|sent| Some(sent.done.as_ref()?.0.duration_since(sent.began)))
            .collect();
        durations.sort_unstable();
        let acknowledged = messages()
            .filter_map(|sent| Some(sent.accepted.as_ref()?.0))
            .collect();
        let last_sent = messages().map(|sent| sent.began).max();
        Self {
            lasted: history.ended.duration_since(history.began),
            users: history.users.len(),
            sent: messages().count(),
            accepted: messages().filter(|sent| sent.accepted.is_some()).count(),
            done: durations.len(),
            refused: messages().filter(|sent| sent.refused.is_some()).count(),
            unknown: messages()
                .filter(|sent| sent.accepted.is_none() && sent.refused.is_none())
                .count(),
            failed_attempts,
            other_failures: history
                .users
                .iter()
                .map(|user| user.other_failures.len())
                .sum(),
            write_gap: longest_gap(acknowledged, last_sent),
            p50: percentile(&durations, 50),
            p99: percentile(&durations, 99),
            violations,
        }
    }

    /// HTTP attempts that failed, in sum.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed_attempts.values().sum()
    }
}

/// The longest time between two acknowledgements; one that never came counts until the last message
/// was sent.
fn longest_gap(mut acknowledged: Vec<Instant>, last_sent: Option<Instant>) -> Duration {
    acknowledged.sort_unstable();
    let last = acknowledged.last().copied();
    acknowledged.extend(last_sent.filter(|sent| last.is_some_and(|last| *sent > last)));
    acknowledged
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.duration_since(*pair.first()?)))
        .max()
        .unwrap_or_default()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lasted,
            users,
            sent,
            accepted,
            done,
            refused,
            unknown,
            ..
        } = self;
        writeln!(
            f,
            "{users} users, {:.1} s: {sent} messages sent, {accepted} stored, {done} answered, {refused} refused, {unknown} of unknown fate",
            lasted.as_secs_f64()
        )?;
        writeln!(f, "failed requests: {}", self.failed())?;
        for (seen, count) in &self.failed_attempts {
            writeln!(f, "  {count} x {seen}")?;
        }
        if self.other_failures > 0 {
            writeln!(
                f,
                "failed requests other than messages: {}",
                self.other_failures
            )?;
        }
        writeln!(
            f,
            "write gap: {:.2} s; a turn took {:.0} ms (p50), {:.0} ms (p99)",
            self.write_gap.as_secs_f64(),
            self.p50.as_secs_f64() * 1000.0,
            self.p99.as_secs_f64() * 1000.0
        )?;
        if self.violations.is_empty() {
            return write!(
                f,
                "every acknowledged message is readable exactly once, in order, and nothing else appears"
            );
        }
        write!(f, "{} violations:", self.violations.len())?;
        for violation in self.violations.iter().take(SHOWN) {
            write!(f, "\n  {violation:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{longest_gap, percentile};
    use std::time::{Duration, Instant};

    #[test]
    fn the_gap_is_the_longest_silence_and_counts_to_the_last_message() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            longest_gap(vec![at(5), at(1), at(2)], None),
            Duration::from_secs(3)
        );
        assert_eq!(
            longest_gap(vec![at(1), at(2)], Some(at(9))),
            Duration::from_secs(7)
        );
        assert_eq!(longest_gap(vec![], None), Duration::ZERO);
    }

    #[test]
    fn percentiles_are_of_the_sorted_list() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&hundred, 50), Duration::from_millis(50));
        assert_eq!(percentile(&hundred, 99), Duration::from_millis(99));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
