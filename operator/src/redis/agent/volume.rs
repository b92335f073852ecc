//! The member's volume: the data, the Sentinel's memory, and the mark that data was ever whole here.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::agent::{Error, io, removed, write_private};

/// The member's volume.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    root: PathBuf,
}

impl Volume {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The server's folder.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("redis")
    }

    /// The Sentinel's file.
    pub(super) fn sentinel(&self) -> PathBuf {
        self.root.join("sentinel.conf")
    }

    /// Whether data was ever whole here.
    pub(super) fn is_seeded(&self) -> bool {
        self.mark().exists()
    }

    /// Notes that it is.
    pub(super) fn set_seeded(&self) -> Result<(), Error> {
        write_private(&self.mark(), "").map_err(io("mark the volume as holding data"))
    }

    /// Takes the data away: what stands in Redis can be made again.
    pub(super) fn empty(&self) -> Result<(), Error> {
        // The mark first: what is half gone is not whole.
        removed(fs::remove_file(self.mark()), "remove the data")?;
        removed(fs::remove_dir_all(self.data()), "remove the data")
    }

    /// What the Sentinel noted; nothing when it never ran here.
    pub(super) fn memory(&self) -> Result<String, Error> {
        match fs::read_to_string(self.sentinel()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            other => other.map_err(io("read the Sentinel's file")),
        }
    }

    fn mark(&self) -> PathBuf {
        self.root.join("seeded")
    }
}
