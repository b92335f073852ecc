//! Runs a reconciler: takes ChatbotDeployments from its queue, a burst of changes as one, each
//! object by itself and all of them at the same time.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chatbot_crds::{ChatbotDeployment, ChatbotDeploymentSpec};
use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt, StreamExt};
use kube::ResourceExt;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{applier, reflector::Store};

use crate::context::Context;
use crate::facts::References;
use crate::outcome::{Ended, Outcome, publish};

/// Changes within this time are answered by one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// First delay after a failure; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longest delay after a failure.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Brings one aspect of a ChatbotDeployment to where it shall be.
pub trait Reconciler: Send + Sync + 'static {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Conditions that it writes.
    fn writes(&self) -> Vec<&'static str>;
    /// Whether it looks at what all others write.
    fn sums_up(&self) -> bool;
    /// What it reads besides its own objects.
    fn references(&self, spec: &ChatbotDeploymentSpec) -> References;
    /// Takes one step.
    fn reconcile(
        &self,
        context: &Context,
        object: Arc<ChatbotDeployment>,
    ) -> impl Future<Output = Ended> + Send;
    /// Forgets what it remembers of objects that are not in the list.
    fn retain(&self, uids: &HashSet<String>);
}

struct Shared<R> {
    reconciler: Arc<R>,
    context: Context,
    failures: Mutex<HashMap<String, u32>>,
}

/// Runs a reconciler until the queue is closed.
pub async fn run<R: Reconciler>(
    reconciler: Arc<R>,
    context: Context,
    objects: Store<ChatbotDeployment>,
    queue: UnboundedReceiver<ObjectRef<ChatbotDeployment>>,
) {
    let shared = Arc::new(Shared {
        reconciler,
        context,
        failures: Mutex::default(),
    });
    applier(
        |object, shared: Arc<Shared<R>>| async move { Ok(step(&shared, object).await) }.boxed(),
        |_, error: &Infallible, _| match *error {},
        shared,
        objects,
        queue.map(Ok::<_, Infallible>),
        Config::default().debounce(DEBOUNCE),
    )
    // An object that was deleted while it stood in the queue is an error of the applier, and none of ours.
    .for_each(|_| std::future::ready(()))
    .await;
}

async fn step<R: Reconciler>(shared: &Shared<R>, object: Arc<ChatbotDeployment>) -> Action {
    let Shared {
        reconciler,
        context,
        failures,
    } = shared;
    let started = Instant::now();
    let ended = reconciler.reconcile(context, Arc::clone(&object)).await;
    publish(
        context,
        reconciler.name(),
        &object,
        started.elapsed(),
        &ended,
    )
    .await;
    let uid = object.uid().unwrap_or_default();
    let mut failures = failures
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if matches!(ended.outcome, Outcome::Failed(_)) {
        let count = failures.entry(uid).or_default();
        *count = count.saturating_add(1);
        return Action::requeue(delay(*count));
    }
    if failures.remove(&uid).is_some() || failures.is_empty() {
        let uids = context
            .stores
            .objects
            .state()
            .iter()
            .filter_map(|object| object.uid())
            .collect();
        reconciler.retain(&uids);
        failures.retain(|uid, _| uids.contains(uid));
    }
    Action::requeue(ended.look_again)
}

fn delay(failures: u32) -> Duration {
    FIRST_DELAY
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_minute() {
        assert_eq!(delay(1), Duration::from_secs(1));
        assert_eq!(delay(4), Duration::from_secs(8));
        assert_eq!(delay(u32::MAX), LONGEST_DELAY);
    }
}
