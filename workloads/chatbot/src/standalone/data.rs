//! The folder of `chatbot standalone`: the data file, the keys without which it cannot be read, and
//! the lock that keeps a second process away.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chatbot_contract::identity::{KEY_RING, KeyRing, SIGNING_KEYS, SigningKey, SigningKeys};
use serde::Serialize;

/// Name of the data file.
const DATABASE: &str = "chatbot.db";

/// Name of the file that is locked while a process uses the folder.
const LOCK: &str = "lock";

/// The folder, which is this process's until the value is dropped.
pub(super) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// It cannot be made, read or written.
    #[error(
        "failed to use {} as the data folder; make it writable, or name another one with --data-dir", .path.display()
    )]
    Folder { path: PathBuf, source: io::Error },
    /// Another process has it.
    #[error(
        "another process uses the data folder {}; end that one, or name another folder with --data-dir", .0.display()
    )]
    InUse(PathBuf),
    /// The data is there and its keys are not.
    #[error(
        "{} holds data, and {key}, without which it cannot be read, is not beside it; put {key} back from your \
         backup, or name another folder with --data-dir to begin anew", .file.display()
    )]
    KeyMissing { file: PathBuf, key: &'static str },
}

impl DataFolder {
    /// Takes the folder; makes it, and keys for it, where there is nothing yet.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Folder {
            path: path.to_owned(),
            source,
        };
        // The keys in it are for its owner alone.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let lock = private(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let folder = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        folder.make_key(KEY_RING, KeyRing::generate)?;
        folder.make_key(SIGNING_KEYS, || SigningKeys {
            keys: vec![SigningKey::generate(0)],
        })?;
        // An empty file is an empty database; those that SQLite makes beside it get its mode.
        private(&folder.database()).map_err(failed)?;
        Ok(folder)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The data file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The file with the key ring.
    pub(super) fn key_ring(&self) -> PathBuf {
        self.path.join(KEY_RING)
    }

    /// The file with the keys of access tokens.
    pub(super) fn signing_keys(&self) -> PathBuf {
        self.path.join(SIGNING_KEYS)
    }

    /// Makes a key where it is missing, and nothing can have been written with it.
    fn make_key<T: Serialize>(
        &self,
        name: &'static str,
        generate: impl FnOnce() -> T,
    ) -> Result<(), DataError> {
        let failed = |source| DataError::Folder {
            path: self.path.clone(),
            source,
        };
        if self.path.join(name).try_exists().map_err(failed)? {
            return Ok(());
        }
        if self.database().try_exists().map_err(failed)? {
            return Err(DataError::KeyMissing {
                file: self.database(),
                key: name,
            });
        }
        let document = serde_json::to_vec(&generate()).expect("a key is valid JSON");
        self.write(name, &document).map_err(failed)
    }

    /// Writes a file that is there as a whole, on the disk, or not at all.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let unfinished = self.path.join(format!("{name}.new"));
        let mut file = private(&unfinished)?;
        file.set_len(0)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(unfinished, self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }
}

/// Opens a file for writing that only its owner can read, and makes it where it is missing.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{DATABASE, DataError, DataFolder};

    #[test]
    fn keys_are_made_once_and_only_their_owner_can_read_them() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("some/where");
        let folder = DataFolder::open(&path).unwrap();
        let files = [folder.key_ring(), folder.signing_keys()];
        let before = files.clone().map(|file| fs::read(file).unwrap());
        for file in &files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(folder);
        DataFolder::open(&path).unwrap();
        assert_eq!(files.map(|file| fs::read(file).unwrap()), before);
    }

    #[test]
    fn data_whose_keys_are_missing_is_not_given_new_ones() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        fs::write(folder.database(), "data").unwrap();
        fs::remove_file(folder.key_ring()).unwrap();
        drop(folder);
        let refused = DataFolder::open(parent.path());
        let Err(error @ DataError::KeyMissing { .. }) = refused else {
            panic!("it was not refused");
        };
        assert!(error.to_string().contains("key-ring.json"), "{error}");
        assert!(!parent.path().join("key-ring.json").exists());
        assert_eq!(fs::read(parent.path().join(DATABASE)).unwrap(), b"data");
    }

    #[test]
    fn a_folder_has_one_owner() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        assert!(matches!(
            DataFolder::open(parent.path()),
            Err(DataError::InUse(_))
        ));
        drop(folder);
        assert!(DataFolder::open(parent.path()).is_ok());
    }
}
