//! What the machine's cores did: how much of their time they were at work, and for which programs.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::machine::read;

/// Programs with less than this share of the cores' time are left out, in percent.
const WORTH_NAMING: f64 = 0.5;

/// The time of all cores since the machine started, in the kernel's ticks (`/proc/stat`, proc(5)).
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    all: u64,
    idle: u64,
    /// What processes that run have used so far.
    processes: BTreeMap<u32, Process>,
}

#[derive(Clone, Debug)]
struct Process {
    program: String,
    used: u64,
}

/// What the cores did between two looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Work {
    /// How much of the time they were at work, in percent.
    pub(crate) busy_percent: f64,
    /// The same for each program whose processes ran at both looks, the busiest first.
    pub(crate) programs: Vec<(String, f64)>,
}

impl Cores {
    /// Looks at them.
    pub(crate) fn look() -> Result<Self> {
        let ticks: Vec<u64> = read("/proc/stat")?
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let mut processes = BTreeMap::new();
        let entries = fs::read_dir("/proc").map_err(|error| Error::file("/proc", error))?;
        for entry in entries.filter_map(std::io::Result::ok) {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            // One that has just ended has no file.
            if let Some(process) = read(entry.path().join("stat"))
                .ok()
                .and_then(|text| Process::parse(&text))
            {
                processes.insert(pid, process);
            }
        }
        Ok(Self {
            // The time of guests is part of the first two.
            all: ticks.iter().take(8).sum(),
            // Idle, and waiting for a disk.
            idle: ticks.iter().skip(3).take(2).sum(),
            processes,
        })
    }

    /// What they did since then.
    pub(crate) fn since(&self, then: &Self) -> Work {
        let all = self.all.saturating_sub(then.all).max(1);
        let idle = self.idle.saturating_sub(then.idle).min(all);
        let mut programs: BTreeMap<&str, u64> = BTreeMap::new();
        for (pid, now) in &self.processes {
            let before = then.processes.get(pid);
            if let Some(before) = before.filter(|before| before.program == now.program) {
                *programs.entry(&now.program).or_default() += now.used.saturating_sub(before.used);
            }
        }
        let mut programs: Vec<_> = programs
            .into_iter()
            .map(|(program, ticks)| (program.to_owned(), percent(ticks, all)))
            .filter(|(_, share)| *share >= WORTH_NAMING)
            .collect();
        programs.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Work {
            busy_percent: percent(all - idle, all),
            programs,
        }
    }
}

impl Process {
    /// A line of `/proc/PID/stat`: the program's name, which may hold anything, is in brackets; the 12th and 13th words after
    /// it are the time in user and kernel mode.
    fn parse(text: &str) -> Option<Self> {
        let (begin, rest) = text.rsplit_once(')')?;
        let (_, program) = begin.split_once('(')?;
        let mut used = rest.split_whitespace().skip(11).map(str::parse::<u64>);
        Some(Self {
            program: program.to_owned(),
            used: used.next()?.ok()? + used.next()?.ok()?,
        })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            busy_percent,
            programs,
        } = self;
        write!(formatter, "{busy_percent:.0} % at work")?;
        for (number, (program, share)) in programs.iter().enumerate() {
            let before = if number == 0 { ": " } else { ", " };
            write!(formatter, "{before}{program} {share:.1}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a benchmark are few")]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Cores, Process};

    fn cores(all: u64, idle: u64, processes: &[(u32, &str, u64)]) -> Cores {
        let processes = processes.iter().map(|(pid, program, used)| {
            let process = Process {
                program: (*program).to_owned(),
                used: *used,
            };
            (*pid, process)
        });
        Cores {
            all,
            idle,
            processes: processes.collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn half_of_the_time_is_half_busy() {
        let then = cores(
            100,
            40,
            &[(1, "java", 10), (2, "postgres", 10), (3, "sh", 1)],
        );
        let now = cores(
            300,
            140,
            &[
                (1, "java", 20),
                (2, "postgres", 30),
                (3, "postgres", 90),
                (4, "postgres", 50),
            ],
        );
        let work = now.since(&then);
        assert_eq!(work.to_string(), "50 % at work: postgres 10.0, java 5.0");
    }

    #[test]
    fn the_name_of_a_program_may_hold_brackets() {
        let line = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 31 11 0 0 20 0 1 0";
        let process = Process::parse(line);
        assert!(process.is_some_and(|of| of.program == "a) b" && of.used == 42));
        assert!(Process::parse("").is_none());
    }
}
