//! What a member keeps: the set's configuration, accounts and documents in one file; and what it knows for now.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use mongodb::bson::{Document, deserialize_from_slice, serialize_to_vec};
use serde::{Deserialize, Serialize};

use super::scram::Credential;

/// What outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Data {
    /// Hosts of the replica set, in the order of their ids; none before there is one.
    pub(super) hosts: Vec<String>,
    /// Whether it was ever a copy of the whole.
    pub(super) whole: bool,
    pub(super) term: i64,
    /// How many changes were made.
    pub(super) changes: i64,
    pub(super) users: Vec<User>,
    pub(super) documents: Vec<Stored>,
}

/// An account of `admin`'s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) credential: Credential,
    /// Role and database.
    pub(super) roles: Vec<(String, String)>,
}

/// A document, and where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) database: String,
    pub(super) collection: String,
    pub(super) document: Document,
}

/// A state that the stand-in has, with its number in MongoDB's manual
/// (<https://www.mongodb.com/docs/manual/reference/replica-states/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Primary = 1,
    Secondary = 2,
    Startup2 = 5,
    Removed = 10,
}

/// What one member says to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Beat {
    pub(super) state: State,
    pub(super) term: i64,
    pub(super) changes: i64,
    /// Whether it may become primary.
    pub(super) stands: bool,
    /// Who it follows.
    pub(super) hosts: Vec<String>,
    /// Everything, from a primary.
    pub(super) copy: Option<Data>,
}

/// A member.
pub(super) struct Member {
    pub(super) data: Data,
    pub(super) primary: bool,
    /// Its place among the hosts, once it found itself.
    pub(super) place: Option<usize>,
    /// Until then it leaves the primary to others.
    pub(super) stands_back_until: Option<Instant>,
    /// What it heard, of whom, and when.
    pub(super) heard: BTreeMap<usize, (Instant, Beat)>,
}

impl Data {
    /// Reads the folder's file; nothing before there is one.
    pub(super) fn read(folder: &Path) -> std::io::Result<Self> {
        match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => deserialize_from_slice(&bytes).map_err(std::io::Error::other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let bytes = serialize_to_vec(self).map_err(std::io::Error::other)?;
        let new = folder.join("data.new");
        std::fs::write(&new, bytes)?;
        std::fs::rename(&new, folder.join(FILE))
    }
}

impl Member {
    pub(super) const fn new(data: Data) -> Self {
        Self {
            data,
            primary: false,
            place: None,
            stands_back_until: None,
            heard: BTreeMap::new(),
        }
    }

    /// How it is as a member; nothing before there is a set.
    pub(super) fn state(&self) -> Option<State> {
        if self.data.hosts.is_empty() {
            return None;
        }
        Some(match self.place {
            None => State::Removed,
            Some(_) if self.primary => State::Primary,
            Some(_) if self.data.whole => State::Secondary,
            Some(_) => State::Startup2,
        })
    }

    pub(super) fn stands(&self) -> bool {
        let back = self
            .stands_back_until
            .is_some_and(|until| Instant::now() < until);
        self.data.whole && self.place.is_some() && !back
    }
}

const FILE: &str = "stand-in.bson";
