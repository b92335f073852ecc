//! Users' data keys, unwrapped, for a while.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::Error;
use crate::crypto::{DataKey, Ring};
use crate::store::{self, Store};

/// Most keys in memory.
const KEYS: u64 = 10_000;

/// How long a key is kept: an erased user's key is gone from every process after this time.
const LIFE: Duration = Duration::from_secs(60);

/// Users' data keys. Clones share them.
#[derive(Clone)]
pub(crate) struct Keys {
    ring: Arc<Ring>,
    cache: Cache<Uuid, DataKey>,
}

impl Keys {
    pub(super) fn new(ring: Ring) -> Self {
        Self {
            ring: Arc::new(ring),
            cache: Cache::builder()
                .max_capacity(KEYS)
                .time_to_live(LIFE)
                .build(),
        }
    }

    /// The user's key, made where there is none.
    pub(crate) async fn get_or_make<S: Store>(
        &self,
        store: &S,
        user: Uuid,
        now: i64,
    ) -> Result<DataKey, Error> {
        if let Some(key) = self.cache.get(&user) {
            return Ok(key);
        }
        let candidate = self.ring.wrap(user, &DataKey::generate())?;
        // What is stored counts: another process may have been first.
        let key = self
            .ring
            .unwrap(user, &store.data_key_or(user, &candidate, now).await?)?;
        self.cache.insert(user, key.clone());
        Ok(key)
    }

    /// The user's key; not found when the user never wrote, or was erased.
    pub(crate) async fn get<S: Store>(&self, store: &S, user: Uuid) -> Result<DataKey, Error> {
        if let Some(key) = self.cache.get(&user) {
            return Ok(key);
        }
        let wrapped = store.data_key(user).await?.ok_or(store::Error::NotFound)?;
        let key = self.ring.unwrap(user, &wrapped)?;
        self.cache.insert(user, key.clone());
        Ok(key)
    }
}
