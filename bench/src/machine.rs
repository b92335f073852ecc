//! What was measured on: the machine, the programs, and how ours were built.

use std::fmt;
use std::path::Path;
use std::process::Command;

use chatbot_testkit::{documents, kafka, mysql, redis};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::error::{Error, Result};

/// Facts that a number means nothing without.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    day: Date,
    commit: String,
    profile: &'static str,
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    programs: Vec<String>,
    note: Option<String>,
}

impl Machine {
    /// Looks at the machine.
    pub(crate) fn look(note: Option<String>) -> Result<Self> {
        let day = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let cores = std::thread::available_parallelism();
        Ok(Self {
            day,
            commit: commit(),
            profile: if cfg!(debug_assertions) {
                "dev"
            } else {
                "release"
            },
            processor: field("/proc/cpuinfo", "model name")?,
            cores: cores
                .map_err(|error| Error::file("/proc/cpuinfo", error))?
                .get(),
            memory_gib: memory(&field("/proc/meminfo", "MemTotal")?),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            programs: programs(),
            note: note.filter(|note| !note.is_empty()),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            day,
            commit,
            profile,
            processor,
            cores,
            memory_gib,
            kernel,
            programs,
            note,
        } = self;
        writeln!(formatter, "| | |\n|---|---|")?;
        writeln!(formatter, "| day | {day} |")?;
        writeln!(formatter, "| commit | {commit}, built as `{profile}` |")?;
        writeln!(formatter, "| processor | {cores} cores of {processor} |")?;
        writeln!(formatter, "| memory | {memory_gib} GiB |")?;
        writeln!(formatter, "| kernel | Linux {kernel} |")?;
        writeln!(formatter, "| programs | {} |", programs.join(", "))?;
        match note {
            Some(note) => writeln!(formatter, "| note | {note} |"),
            None => Ok(()),
        }
    }
}

/// What is built, as Git names it.
fn commit() -> String {
    let named = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    match named {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// The servers' programs, by the names of the folders that they were unpacked to.
fn programs() -> Vec<String> {
    [
        mysql::ROOT,
        redis::ROOT,
        kafka::ROOT,
        documents::FERRETDB_ROOT,
        documents::POSTGRES_ROOT,
    ]
    .into_iter()
    .filter_map(std::env::var_os)
    .filter_map(|root| Some(Path::new(&root).file_name()?.to_string_lossy().into_owned()))
    .collect()
}

/// The first value of a name in a file of lines as `name : value`.
fn field(path: &'static str, name: &str) -> Result<String> {
    let text = read(path)?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(of, _)| of.trim() == name);
    Ok(found.map_or_else(
        || "unknown".to_owned(),
        |(_, value)| value.trim().to_owned(),
    ))
}

/// `N kB` in GiB, rounded.
fn memory(text: &str) -> u64 {
    let kib: u64 = text
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default();
    (kib + 512 * 1024) / (1024 * 1024)
}

pub(crate) fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).map_err(|error| Error::file(path, error))
}

#[cfg(test)]
mod tests {
    use super::memory;

    #[test]
    fn memory_is_in_gib() {
        assert_eq!(memory("24651532 kB"), 24);
        assert_eq!(memory("unknown"), 0);
    }
}
