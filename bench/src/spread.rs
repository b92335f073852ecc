//! How durations are spread: percentiles of all samples, none of them estimated from buckets.

use std::time::Duration;

use chatbot_testkit::percentile::percentile;
use serde::Serialize;

/// Percentiles of durations, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// How many there are.
    pub(crate) samples: usize,
    /// Half take at most this.
    pub(crate) p50_ms: f64,
    /// 95 of 100 take at most this.
    pub(crate) p95_ms: f64,
    /// 99 of 100 take at most this.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Spread {
    /// Computes it by nearest rank: each percentile is one of the samples. There is none of nothing.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let longest = samples.last()?;
        let at = |percent| milliseconds(percentile(&samples, percent));
        Some(Self {
            samples: samples.len(),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
            max_ms: milliseconds(*longest),
        })
    }

    /// The percentiles as cells of a table.
    pub(crate) fn cells(&self) -> String {
        let Self {
            samples,
            p50_ms,
            p95_ms,
            p99_ms,
            max_ms,
        } = self;
        format!("{samples} | {p50_ms:.1} | {p95_ms:.1} | {p99_ms:.1} | {max_ms:.1}")
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::time::Duration;

    use super::Spread;

    #[test]
    fn percentiles_are_samples() {
        let samples = (1..=200).rev().map(Duration::from_millis).collect();
        let expected = Spread {
            samples: 200,
            p50_ms: 100.0,
            p95_ms: 190.0,
            p99_ms: 198.0,
            max_ms: 200.0,
        };
        assert_eq!(Spread::of(samples).unwrap(), expected);
    }

    #[test]
    fn one_sample_is_all_percentiles_and_nothing_has_none() {
        let one = Spread::of(vec![Duration::from_millis(7)]).unwrap();
        assert_eq!(one.cells(), "1 | 7.0 | 7.0 | 7.0 | 7.0");
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
