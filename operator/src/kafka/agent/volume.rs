//! The member's volume: the server's data, and a record of what it was formatted for.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choose::kafka_id;
use crate::agent::{Error, io, record, removed};
use crate::kafka::facts::Cluster;

/// What is known of a volume. It is written before what it tells is done, so that a stop at any instant
/// leaves no vote that could be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Kafka's id of the data folder.
    pub(super) directory: String,
    /// What it is formatted for, or about to be.
    pub(super) cluster: Option<Cluster>,
    /// Whether that has been done.
    pub(super) formatted: bool,
    /// Whether it ever belonged to a voter.
    pub(super) voter: bool,
}

/// The member's volume.
#[derive(Debug)]
pub(super) struct Volume {
    root: PathBuf,
    record: Record,
}

impl Volume {
    /// Reads the record, and begins one on an empty volume.
    pub(super) fn open(root: PathBuf) -> Result<Self, Error> {
        let known = record::read(&root.join(RECORD))?;
        let mut volume = Self {
            root,
            record: known.clone().unwrap_or_default(),
        };
        let lost = volume.record.formatted && !volume.properties().exists();
        if known.is_none() || lost {
            volume.empty()?;
        }
        Ok(volume)
    }

    /// The server's folder.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("kafka")
    }

    /// What is known of it.
    pub(super) const fn record(&self) -> &Record {
        &self.record
    }

    /// Changes what is known.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        let mut new = self.record.clone();
        change(&mut new);
        record::write(&self.root.join(RECORD), &new)?;
        self.record = new;
        Ok(())
    }

    /// Forgets everything, under another directory's name: the votes go with the data.
    pub(super) fn empty(&mut self) -> Result<(), Error> {
        self.change(|record| {
            *record = Record {
                directory: kafka_id(rand::random()),
                ..Record::default()
            };
        })?;
        self.clear()
    }

    /// Takes the data away that an unfinished format left.
    pub(super) fn clear(&self) -> Result<(), Error> {
        removed(fs::remove_dir_all(self.data()), "remove the data")
    }

    /// Notes that it is formatted, and the directory's id, which Kafka chose when it was to join.
    pub(super) fn formatted(&mut self) -> Result<(), Error> {
        let path = self.properties();
        let text = fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
        let directory = text
            .lines()
            .find_map(|line| line.strip_prefix("directory.id="))
            .map(|id| id.trim().replace('\\', ""));
        let Some(directory) = directory else {
            let source = std::io::Error::from(ErrorKind::InvalidData);
            return Err(io("find directory.id in meta.properties")(source));
        };
        self.change(|record| {
            record.directory = directory;
            record.formatted = true;
        })
    }

    fn properties(&self) -> PathBuf {
        self.data().join("meta.properties")
    }
}

/// The record's file.
const RECORD: &str = "member.json";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_volume_keeps_its_name_until_its_data_is_lost() {
        let root = tempfile::tempdir().unwrap();
        let open = || Volume::open(root.path().to_owned()).unwrap();
        let mut volume = open();
        let named = volume.record().directory.clone();
        assert_eq!(open().record().directory, named);

        let cluster = Cluster::default();
        volume
            .change(|record| record.cluster = Some(cluster))
            .unwrap();
        fs::create_dir(volume.data()).unwrap();
        fs::write(
            volume.properties(),
            "version=1\ndirectory.id=chosen-by-kafka\n",
        )
        .unwrap();
        volume.formatted().unwrap();
        assert_eq!(open().record().directory, "chosen-by-kafka");

        fs::remove_dir_all(volume.data()).unwrap();
        let lost = open();
        assert_eq!(lost.record().cluster, None);
        assert_ne!(lost.record().directory, "chosen-by-kafka");
    }
}
