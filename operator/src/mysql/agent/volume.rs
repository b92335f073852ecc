//! The member's volume: the data folder, the record beside it, and what was set aside.
//!
//! Every change is one rename, so that a stop at any instant leaves either the old or the new:
//! data is made in `new` and renamed to `data`; errant data is renamed from `data` to `errant-…`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{Error, io};
use crate::agent::{record, removed};
use crate::mysql::facts::Record;

const ASIDE: &str = "errant-";

/// The member's volume.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    root: PathBuf,
}

impl Volume {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Whether there is data.
    pub(super) fn has_data(&self) -> bool {
        self.data().exists()
    }

    /// An absent folder to make data in.
    pub(super) fn begin(&self) -> Result<PathBuf, Error> {
        let new = self.root.join("new");
        let what = "remove an unfinished data folder";
        removed(fs::remove_dir_all(&new), what)?;
        Ok(new)
    }

    /// Makes the new folder the data folder, with its record, after everything in it is on disk.
    pub(super) fn commit(&self, record: &Record) -> Result<(), Error> {
        let new = self.root.join("new");
        sync_all(&new).map_err(io("write the new data folder to disk"))?;
        self.write(record)?;
        fs::rename(new, self.data()).map_err(io("rename the new data folder"))?;
        self.sync()
    }

    /// Renames the data folder away, and removes what was set aside before.
    pub(super) fn set_aside(&self, name: &str) -> Result<PathBuf, Error> {
        let aside = self.root.join(format!("{ASIDE}{name}"));
        fs::rename(self.data(), &aside).map_err(io("rename the data folder"))?;
        self.sync()?;
        for entry in fs::read_dir(&self.root)
            .map_err(io("list the volume"))?
            .flatten()
        {
            let older = entry.file_name().to_string_lossy().starts_with(ASIDE);
            if older && entry.path() != aside {
                fs::remove_dir_all(entry.path()).map_err(io("remove older errant data"))?;
            }
        }
        Ok(aside)
    }

    /// The record; `None` before there is one.
    pub(super) fn record(&self) -> Result<Option<Record>, Error> {
        Ok(record::read(&self.record_path())?)
    }

    /// Writes the record; when this returns, it survives a power cut.
    pub(super) fn write(&self, record: &Record) -> Result<(), Error> {
        Ok(record::write(&self.record_path(), record)?)
    }

    fn record_path(&self) -> PathBuf {
        self.root.join("member.json")
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(record::sync_folder(&self.root)?)
    }
}

fn sync_all(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use uuid::Uuid;

    use super::Volume;
    use crate::mysql::facts::Record;

    #[test]
    fn data_appears_whole_and_only_the_newest_errant_data_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let volume = Volume::new(root.path().to_owned());
        assert!(!volume.has_data());
        assert_eq!(volume.record().unwrap(), None);
        let record = Record {
            group_id: Uuid::from_u128(1),
            epoch: 3,
            joined: true,
        };
        for round in ["1", "2"] {
            let new = volume.begin().unwrap();
            std::fs::create_dir(&new).unwrap();
            std::fs::write(new.join("round"), round).unwrap();
            assert!(!volume.has_data());
            volume.commit(&record).unwrap();
            assert!(volume.has_data());
            volume.set_aside(round).unwrap();
        }
        assert_eq!(volume.record().unwrap(), Some(record));
        let mut left: Vec<String> = std::fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["errant-2", "member.json"]);
    }
}
