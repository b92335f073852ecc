//! Percentiles of all samples, none of them estimated.

use std::time::Duration;

/// The percentile of sorted samples by nearest rank, which is one of them; zero of nothing.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
