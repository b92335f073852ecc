//! The arithmetic of limits: the generic cell rate algorithm (ITU-T I.371, annex A).
//!
//! Of each thing that is limited one number is kept: how far its *theoretical arrival time* lies
//! ahead of now. What is done moves it by the rule's interval, time brings it back, and nothing is
//! granted that would move it further than the burst reaches. All times are microseconds.

use std::time::Duration;

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name of the policy, as clients see it.
    pub name: &'static str,
    /// How much in a window, over time.
    pub quota: u64,
    /// The window.
    pub window: Duration,
    /// How much at once.
    pub burst: u64,
}

/// How much of a rule is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The rule.
    pub rule: Rule,
    /// How much may be done at once now.
    pub remaining: u64,
    /// When all of the burst is there again.
    pub reset: Duration,
    /// When what was asked for is granted; zero when it was.
    pub wait: Duration,
}

impl Rule {
    /// Time that brings one unit back, in microseconds.
    #[must_use]
    pub fn interval(&self) -> u64 {
        let window = u64::try_from(self.window.as_micros()).unwrap_or(u64::MAX);
        (window / self.quota.max(1)).max(1)
    }

    /// How far ahead the theoretical arrival time may lie, in microseconds.
    #[must_use]
    pub fn reach(&self) -> u64 {
        self.burst.saturating_mul(self.interval())
    }

    /// Whether `cost` is granted while the arrival time lies `ahead`.
    #[must_use]
    pub fn grants(&self, ahead: u64, cost: u64) -> bool {
        self.after(ahead, cost) <= self.reach()
    }

    /// How far ahead it lies after `cost` was done.
    #[must_use]
    pub fn after(&self, ahead: u64, cost: u64) -> u64 {
        ahead.saturating_add(cost.saturating_mul(self.interval()))
    }

    /// How it stands, `ahead` being the state after a grant of `cost` or before its refusal.
    #[must_use]
    pub fn standing(&self, ahead: u64, cost: u64, granted: bool) -> Standing {
        let wait = if granted {
            0
        } else {
            self.after(ahead, cost).saturating_sub(self.reach())
        };
        Standing {
            rule: *self,
            remaining: self.reach().saturating_sub(ahead) / self.interval(),
            reset: Duration::from_micros(ahead),
            wait: Duration::from_micros(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

    use super::Rule;

    fn rule(quota: u64, burst: u64) -> Rule {
        Rule {
            name: "x",
            quota,
            window: Duration::from_secs(60),
            burst,
        }
    }

    /// Runs requests at the gaps given; says how many were granted, and in how much time.
    fn run(rule: Rule, gaps: &[u64]) -> (u64, u64) {
        let (mut ahead, mut granted, mut elapsed) = (0_u64, 0, 0);
        for gap in gaps {
            ahead = ahead.saturating_sub(*gap);
            elapsed += gap;
            if rule.grants(ahead, 1) {
                ahead = rule.after(ahead, 1);
                granted += 1;
            }
        }
        (granted, elapsed)
    }

    #[test]
    fn a_burst_is_granted_at_once_and_then_one_in_each_interval() {
        let rule = rule(60, 3);
        assert_eq!(run(rule, &[0; 10]).0, 3);
        assert_eq!(run(rule, &[0, 0, 0, 1_000_000, 1_000_000]).0, 5);
        assert_eq!(run(rule, &[0, 0, 0, 999_999]).0, 3);
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let rule = rule(60, 2);
        let standing = rule.standing(1_500_000, 1, false);
        assert_eq!(standing.wait, Duration::from_millis(500));
        assert_eq!((standing.remaining, standing.reset.as_millis()), (0, 1500));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn never_more_than_the_burst_and_the_rate_are_granted(
            quota in 1_u64..10_000, burst in 1_u64..500, gaps in proptest::collection::vec(0_u64..5_000_000, 1..200)
        ) {
            let rule = rule(quota, burst);
            let (granted, elapsed) = run(rule, &gaps);
            prop_assert!(granted <= burst + elapsed / rule.interval());
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_granted(
            quota in 1_u64..10_000, burst in 1_u64..500, cost in 1_u64..500, ahead in 0_u64..600_000_000
        ) {
            let rule = rule(quota, burst);
            let cost = cost.min(burst);
            let granted = rule.grants(ahead, cost);
            let standing = rule.standing(ahead, cost, granted);
            prop_assert_eq!(granted, standing.wait.is_zero());
            let wait = u64::try_from(standing.wait.as_micros()).unwrap_or(u64::MAX);
            prop_assert!(rule.grants(ahead.saturating_sub(wait), cost));
        }

        #[test]
        fn what_remains_is_granted_and_no_more(
            quota in 1_u64..10_000, burst in 1_u64..500, ahead in 0_u64..600_000_000
        ) {
            let rule = rule(quota, burst);
            let remaining = rule.standing(ahead, 0, true).remaining;
            prop_assert!(remaining == 0 || rule.grants(ahead, remaining));
            prop_assert!(!rule.grants(ahead, remaining + 1));
        }
    }
}
