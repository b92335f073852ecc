//! Waits for conditions, always with a limit: by watching, or by asking where nothing can be watched.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::wait::await_condition;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use chatbot_testkit::person::client;

use crate::{Error, Result};

/// Enough for anything that happens on a machine of two busy cores.
pub const LONG: Duration = Duration::from_secs(300);
/// Enough for one step of something that runs already.
pub const SHORT: Duration = Duration::from_secs(120);

/// Between two requests to something that tells nobody when it begins to answer.
const AGAIN: Duration = Duration::from_millis(200);

/// Waits until a URL answers with 200.
///
/// # Errors
/// The limit ([`SHORT`]) is over.
pub async fn answers(url: &str) -> Result<()> {
    let client = client()?;
    let what = format!("{url} to answer with 200");
    asking(&what, SHORT, async || match client.get(url).send().await {
        Ok(response) if response.status() == 200 => Ok(Ok(())),
        Ok(response) => Ok(Err(response.status().to_string())),
        Err(error) => Ok(Err(error.to_string())),
    })
    .await
}

/// Asks again and again what tells nobody of its changes: `check` answers with what it found, or with what it sees instead.
///
/// # Errors
/// The limit is over, or `check` fails.
pub async fn asking<T>(
    what: &str,
    limit: Duration,
    check: impl AsyncFn() -> Result<Result<T, String>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        match check().await? {
            Ok(found) => return Ok(found),
            Err(seen) if began.elapsed() > limit => return Err(late(what, limit, seen)),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Waits until the object is as wanted: `check` answers `Ok` with what it found, or `Err` with what
/// it sees instead. `None` is an object that does not exist.
///
/// # Errors
/// The limit is over, or the watch breaks.
pub async fn until<K, T>(
    api: Api<K>,
    name: &str,
    what: &str,
    limit: Duration,
    check: impl Fn(Option<&K>) -> Result<T, String>,
) -> Result<T>
where
    K: Resource + Clone + Debug + Send + DeserializeOwned + 'static,
{
    // The last answer of `check`; the watch only asks whether it is good.
    let answer = Mutex::new(Err("nothing".to_owned()));
    let looked = |object: Option<&K>| {
        let now = check(object);
        let good = now.is_ok();
        *answer.lock().unwrap_or_else(PoisonError::into_inner) = now;
        good
    };
    let outcome = tokio::time::timeout(limit, await_condition(api, name, looked)).await;
    let answer = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(Ok(_)) => answer.map_err(|seen| late(what, limit, seen)),
        Ok(Err(source)) => Err(Error::Watch {
            what: what.to_owned(),
            source: Box::new(source),
        }),
        Err(_) => Err(late(what, limit, answer.err().unwrap_or_default())),
    }
}

/// Waits until an object does not exist.
///
/// # Errors
/// The limit is over, or the watch breaks.
pub async fn gone<K>(api: Api<K>, name: &str, limit: Duration) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + DeserializeOwned + 'static,
{
    let what = format!("{} {name} to be gone", K::kind(&()));
    until(api, name, &what, limit, |object| match object {
        None => Ok(()),
        Some(object) => Err(format!(
            "it exists, deletionTimestamp {:?}, finalizers {:?}",
            object.meta().deletion_timestamp,
            object.meta().finalizers
        )),
    })
    .await
}

fn late(what: &str, limit: Duration, seen: String) -> Error {
    Error::Late {
        what: what.to_owned(),
        limit,
        seen,
    }
}
