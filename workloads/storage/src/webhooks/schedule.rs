//! When a message is sent again, and how long an endpoint rests.

/// Seconds between attempts, from the example schedule of the Standard Webhooks specification: ten attempts in three days.
const DELAYS: [i64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];

/// Longest time that an endpoint may ask for, in seconds.
const LONGEST_WISH: i64 = 24 * 3600;

/// Longest rest of an endpoint, in milliseconds.
const LONGEST_REST: i64 = 5 * 60 * 1000;

/// Milliseconds from the attempt with this number, from 1, to the next one; `None` when it was the last. A delay grows by up
/// to a tenth, by `jitter` from 0 to 1, so that what failed together does not come back together; `wish` is what the
/// endpoint asked for, in seconds (`Retry-After`).
#[must_use]
pub fn pause(attempt: u32, jitter: f64, wish: Option<i64>) -> Option<i64> {
    let place = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let delay = DELAYS.get(place)? * 1000;
    let wish = wish.unwrap_or(0).clamp(0, LONGEST_WISH) * 1000;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a tenth of a day in milliseconds is small"
    )]
    #[expect(clippy::cast_precision_loss, reason = "a day in milliseconds is exact")]
    let more = (delay as f64 * 0.1 * jitter) as i64;
    Some((delay + more).max(wish))
}

/// Milliseconds for which an endpoint that took nothing in so many rounds rests: otherwise one that hangs would always be
/// somewhere among those that are sent to.
#[must_use]
pub fn rest(streak: u32) -> i64 {
    match streak.checked_sub(1) {
        None => 0,
        Some(doublings) => (1_000_i64 << doublings.min(20)).min(LONGEST_REST),
    }
}

#[cfg(test)]
mod tests {
    use super::{pause, rest};

    #[test]
    fn ten_attempts_span_three_days() {
        let pauses: Vec<i64> = (1..)
            .map_while(|attempt| pause(attempt, 0.0, None))
            .collect();
        assert_eq!(pauses.len(), 9);
        let (hours, minutes) = (3_600_000, 60_000);
        assert_eq!(
            pauses.iter().sum::<i64>(),
            75 * hours + 35 * minutes + 5_000
        );
        assert_eq!(pause(0, 0.0, None), None);
    }

    #[test]
    fn jitter_adds_up_to_a_tenth_and_a_wish_is_heard_within_a_day() {
        assert_eq!(pause(1, 1.0, None), Some(5_500));
        assert_eq!(pause(1, 1.0, Some(60)), Some(60_000));
        assert_eq!(pause(2, 0.0, Some(60)), Some(300_000));
        assert_eq!(pause(1, 0.0, Some(i64::MAX)), Some(86_400_000));
        assert_eq!(pause(1, 0.0, Some(-1)), Some(5_000));
    }

    #[test]
    fn a_rest_doubles_up_to_five_minutes() {
        let rests = [0, 1, 2, 3, 9, 10, 1_000].map(rest);
        assert_eq!(rests, [0, 1_000, 2_000, 4_000, 256_000, 300_000, 300_000]);
    }
}
