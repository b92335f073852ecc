//! Leader election by a Lease: of several replicas one acts.
//!
//! The rules are those of client-go: every write carries the `resourceVersion` that was read; a
//! holder is given up for dead when its record has not changed for the Lease's duration on *our*
//! clock; the holder stops acting well before that. A Lease does not fence (a holder may be
//! paused between its last look and its next write), so every irreversible step elsewhere is a
//! compare-and-swap of its own. The crates that do this (kubert, kube-leader-election) are for
//! older releases of kube.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

/// How fast an election goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How long a Lease holds after it was renewed; whole seconds.
    pub duration: Duration,
    /// The holder stops acting when it could not renew for this long.
    pub deadline: Duration,
    /// Time between two attempts to renew or to acquire.
    pub retry: Duration,
    /// An attempt that takes longer is given up.
    pub timeout: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            timeout: Duration::from_secs(4),
        }
    }
}

/// Takes part in an election.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timings: Timings,
}

/// Says, by the monotonic clock, whether we may still act.
#[derive(Clone)]
pub struct Leadership {
    renewed: Arc<Mutex<Instant>>,
    deadline: Duration,
}

/// The Lease is not ours any more.
#[derive(Debug, thiserror::Error)]
#[error("the lease could not be renewed in time, or has another holder")]
pub struct Lost;

/// What was seen of a record, and since when it has not changed.
struct Sighting {
    version: Option<String>,
    since: Instant,
}

impl Leadership {
    fn new(renewed: Instant, deadline: Duration) -> Self {
        Self {
            renewed: Arc::new(Mutex::new(renewed)),
            deadline,
        }
    }

    /// Leadership that was given now and is never renewed, for tests.
    #[must_use]
    pub fn lasting(deadline: Duration) -> Self {
        Self::new(Instant::now(), deadline)
    }

    /// Whether the last renewal is recent enough to act on.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lock().elapsed() < self.deadline
    }

    fn renew(&self, at: Instant) {
        *self.lock() = at;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.renewed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Candidate {
    /// A candidate under this name for the Lease.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        timings: Timings,
    ) -> Self {
        Self {
            timings,
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
        }
    }

    /// Waits until the Lease is ours.
    pub async fn acquire(&self) -> Leadership {
        let mut sighting = Sighting {
            version: None,
            since: Instant::now(),
        };
        loop {
            let started = Instant::now();
            match tokio::time::timeout(self.timings.timeout, self.try_acquire(&mut sighting)).await
            {
                Ok(Ok(true)) => {
                    return Leadership::new(started, self.timings.deadline);
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to acquire the lease"
                ),
                Err(_) => tracing::warn!("failed to acquire the lease in time"),
            }
            tokio::time::sleep(self.timings.retry).await;
        }
    }

    /// Renews until that fails for too long.
    pub async fn keep(&self, leadership: &Leadership) -> Lost {
        loop {
            tokio::time::sleep(self.timings.retry).await;
            let started = Instant::now();
            match tokio::time::timeout(self.timings.timeout, self.renew()).await {
                Ok(Ok(true)) => leadership.renew(started),
                Ok(Ok(false)) => return Lost,
                Ok(Err(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to renew the lease"
                ),
                Err(_) => tracing::warn!("failed to renew the lease in time"),
            }
            if !leadership.holds() {
                return Lost;
            }
        }
    }

    /// Gives the Lease back, so that the next replica need not wait until it runs out.
    ///
    /// # Errors
    /// The API server refused or did not answer.
    pub async fn release(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        self.replace(&lease).await.map(|_| ())
    }

    async fn try_acquire(&self, sighting: &mut Sighting) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.claim(0)),
            };
            return match self.api.create(&PostParams::default(), &lease).await {
                Ok(_) => Ok(true),
                Err(error) if is_conflict(&error) => Ok(false),
                Err(error) => Err(error),
            };
        };
        if sighting.version != lease.metadata.resource_version {
            sighting
                .version
                .clone_from(&lease.metadata.resource_version);
            sighting.since = Instant::now();
        }
        let spec = lease.spec.clone().unwrap_or_default();
        if !may_take(&spec, &self.identity, sighting.since.elapsed()) {
            return Ok(false);
        }
        lease.spec = Some(self.claim(spec.lease_transitions.unwrap_or_default() + 1));
        self.replace(&lease).await
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return Ok(false);
        };
        let Some(spec) = lease
            .spec
            .as_mut()
            .filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return Ok(false);
        };
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        // Written by somebody else meanwhile: the next look tells by whom.
        self.replace(&lease).await.map(|_| true)
    }

    async fn replace(&self, lease: &Lease) -> Result<bool, kube::Error> {
        match self
            .api
            .replace(&self.name, &PostParams::default(), lease)
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn claim(&self, transitions: i32) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timings.duration.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

/// Whether a Lease may be taken: nobody has it, we had it before a restart, or its holder has not
/// renewed it for its duration.
fn may_take(spec: &LeaseSpec, identity: &str, unchanged_for: Duration) -> bool {
    match spec.holder_identity.as_deref() {
        None | Some("") => true,
        Some(holder) if holder == identity => true,
        Some(_) => {
            let seconds = spec.lease_duration_seconds.unwrap_or_default();
            let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            unchanged_for > duration
        }
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        assert!(may_take(&held_by(""), "a", Duration::ZERO));
        assert!(may_take(&LeaseSpec::default(), "a", Duration::ZERO));
    }

    #[test]
    fn a_lease_is_taken_only_when_its_holder_was_silent_for_its_duration() {
        assert!(!may_take(&held_by("b"), "a", Duration::from_secs(15)));
        assert!(may_take(&held_by("b"), "a", Duration::from_secs(16)));
    }

    #[test]
    fn a_replica_that_was_restarted_goes_on() {
        assert!(may_take(&held_by("a"), "a", Duration::ZERO));
    }

    #[test]
    fn a_holder_that_was_paused_knows_that_it_may_not_act() {
        let leadership = Leadership::lasting(Duration::from_secs(60));
        assert!(leadership.holds());
        if let Some(past) = Instant::now().checked_sub(Duration::from_secs(61)) {
            leadership.renew(past);
            assert!(!leadership.holds());
        }
    }
}
