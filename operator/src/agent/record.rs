//! A record on a member's volume: written whole or not at all, and there after a power cut.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, io};

/// Reads a record; `None` before there is one.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read the record")(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| io("read the record")(source.into()))
}

/// Writes a record; when this returns, it survives a power cut.
pub(crate) fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), Error> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(io("write the record"))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes to disk which files a folder has.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io("write the volume's folder to disk"))
}
