//! When turns begin: at times that are known before, whatever became of those before.
//!
//! A client that waits for an answer before it asks again asks less while the system is slow, and so leaves out what it came
//! to measure: coordinated omission. Here each turn has its time, is begun then in a task of its own, and
//! is measured from that time, as wrk2 does (<https://github.com/giltene/wrk2>). Why it matters whether arrivals wait
//! for answers: Schroeder, Wierman, Harchol-Balter, Open Versus Closed: A Cautionary Tale, NSDI 2006.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Arrivals at a constant rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Schedule {
    /// Arrivals in a second.
    pub(crate) rate: u32,
    /// How long arrivals do not count.
    pub(crate) warm_up: Duration,
    /// How long they count then.
    pub(crate) counted: Duration,
}

/// One arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Its place, from 0.
    pub(crate) number: usize,
    /// When it is due.
    pub(crate) due: Instant,
    /// Whether it counts.
    pub(crate) counts: bool,
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rate,
            warm_up,
            counted,
        } = self;
        let (warm_up, counted) = (warm_up.as_secs(), counted.as_secs());
        write!(
            formatter,
            "{rate} turns a second for {counted} s, after {warm_up} s that do not count"
        )
    }
}

impl Schedule {
    /// All arrivals, in order, from `start` on.
    fn arrivals(self, start: Instant) -> impl Iterator<Item = Arrival> {
        let whole = self.warm_up + self.counted;
        let number = |time: Duration| time.as_millis() * u128::from(self.rate) / 1_000;
        let (first, end) = (number(self.warm_up), number(whole));
        (0_usize..).zip(0..end).map(move |(number, place)| Arrival {
            number,
            due: start
                + Duration::from_secs(1) * u32::try_from(place).unwrap_or(u32::MAX) / self.rate,
            counts: place >= first,
        })
    }

    /// Begins a turn for each arrival, and waits for the end of all of them; tells `first` when the first one
    /// that counts is due.
    pub(crate) async fn offer<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        self,
        turn: impl Fn(Arrival) -> F,
        mut first: impl FnMut(),
    ) -> Vec<(Arrival, T)> {
        let mut running = JoinSet::new();
        let mut counting = false;
        for arrival in self.arrivals(Instant::now()) {
            sleep_until(arrival.due).await;
            if arrival.counts && !std::mem::replace(&mut counting, true) {
                first();
            }
            let turn = turn(arrival);
            running.spawn(async move { (arrival, turn.await) });
        }
        running.join_all().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Schedule;

    #[test]
    fn arrivals_are_evenly_spaced_and_count_after_the_warm_up() {
        let schedule = Schedule {
            rate: 3,
            warm_up: Duration::from_secs(1),
            counted: Duration::from_secs(2),
        };
        let start = Instant::now();
        let arrivals: Vec<_> = schedule.arrivals(start).collect();
        assert_eq!(arrivals.len(), 9);
        assert_eq!(arrivals.iter().filter(|arrival| arrival.counts).count(), 6);
        assert_eq!(arrivals[3].due, start + Duration::from_secs(1));
        assert!(arrivals[3].counts && !arrivals[2].counts);
        assert_eq!(arrivals[8].number, 8);
    }
}
