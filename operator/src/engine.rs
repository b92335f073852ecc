//! What every engine that the operator runs has in common: the checks of its spec, and the questions to its agents.

pub(crate) mod members;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chatbot_crds::{SecretKey, StorageSpec, conditions};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::de::DeserializeOwned;

use crate::agent::FACTS;
use crate::child::Child;
use crate::component::{Error, Observation, Scene};
use crate::facts::{Facts, References, StorageClassFact};
use crate::names;
use crate::reason::{Problem, Reason};
use crate::{refusals, rollout};

/// What a spec asks for: an engine that the operator runs, servers at an address that somebody else runs, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan<M> {
    /// What the operator runs.
    Managed(Box<M>),
    /// Where somebody else's is.
    External(String),
    /// None.
    Without,
}

impl<M> Plan<M> {
    /// What must be there before the objects are made.
    pub(crate) fn needs(&self, facts: &Facts) -> Vec<String> {
        match self {
            Self::Managed(_) if !facts.condition_is_true(conditions::IDENTITY_READY) => {
                vec!["the identity".to_owned()]
            }
            Self::Managed(_) | Self::External(_) | Self::Without => Vec::new(),
        }
    }

    /// The objects: only what the operator runs has some.
    pub(crate) fn objects(&self, build: impl FnOnce(&M) -> Vec<Child>) -> Vec<Child> {
        match self {
            Self::Managed(managed) => build(managed),
            Self::External(_) | Self::Without => Vec::new(),
        }
    }
}

/// What the plan of an engine is made of: its Secrets, where somebody else runs it, volumes and the identity.
pub(crate) fn references(secrets: Vec<String>) -> References {
    References {
        secrets,
        storage_classes: true,
        identity: true,
    }
}

/// How soon an engine that is whole is looked at again, and one that is not.
const CALM: Duration = Duration::from_secs(5);
const BUSY: Duration = Duration::from_millis(500);
/// An agent answers at once, or its node does not.
const LIMIT: Duration = Duration::from_secs(2);

/// An account of an engine.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// The Secret with its password.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// The password, to notice that it changed.
    pub password: Vec<u8>,
}

impl Account {
    /// The account in a Secret that `field` of the spec names: its keys `username` and `password`.
    ///
    /// # Errors
    /// The Secret or a key is not there.
    pub fn of_secret(facts: &Facts, secret: &str, field: &str) -> Result<Self, Problem> {
        let value = |key: &str| {
            let reference = SecretKey {
                name: secret.to_owned(),
                key: key.to_owned(),
            };
            facts.secret_value(&reference, field)
        };
        let user = std::str::from_utf8(value("username")?).map_err(|_| {
            Problem::new(
                Reason::InvalidSpec,
                format!("the key username of Secret {secret} is not text"),
            )
        })?;
        Ok(Self {
            user: user.trim().to_owned(),
            secret: secret.to_owned(),
            key: "password".to_owned(),
            password: value("password")?.to_owned(),
        })
    }

    /// The account of that name whose password stands under a key of the identity.
    ///
    /// # Errors
    /// The identity is not there or not complete.
    pub fn of_identity(facts: &Facts, user: &str, key: String) -> Result<Self, Problem> {
        let password = facts.identity()?.text(&key)?.as_bytes().to_owned();
        Ok(Self {
            user: user.to_owned(),
            secret: names::identity(&facts.name),
            key,
            password,
        })
    }
}

/// The settings as lines of a configuration file.
///
/// # Errors
/// A name or value cannot stand in one line.
pub fn lines(
    engine: &str,
    config: &BTreeMap<String, String>,
    between: char,
) -> Result<String, Problem> {
    let mut text = String::new();
    for (name, value) in config {
        let plain = |text: &str| !text.contains(|c: char| c.is_control());
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !is_name || !plain(value) {
            return Err(Problem::new(
                Reason::InvalidSpec,
                format!(
                    "{engine}.managed.config has a setting {name:?} that cannot stand in one line: correct its name or value"
                ),
            ));
        }
        text.push_str(&format!("{name}{between}{value}\n"));
    }
    Ok(text)
}

/// Checks that volumes can be made.
///
/// # Errors
/// The StorageClass is not there, or none is the default one.
pub fn check_class(
    engine: &str,
    storage: &StorageSpec,
    classes: Option<&[StorageClassFact]>,
) -> Result<(), Problem> {
    let Some(classes) = classes else {
        return Ok(());
    };
    match &storage.class_name {
        Some(name) if !classes.iter().any(|class| class.name == *name) => Err(Problem::new(
            Reason::StorageClassMissing,
            format!(
                "StorageClass {name}, which {engine}.managed.storage.className names, does not exist: make it, or make a new ChatbotDeployment with another"
            ),
        )),
        None if !classes.iter().any(|class| class.default) => Err(Problem::new(
            Reason::NoDefaultStorageClass,
            format!(
                "no StorageClass is the default one: mark one as the default, or name one in {engine}.managed.storage.className"
            ),
        )),
        _ => Ok(()),
    }
}

/// Asks a member's agent for its facts; nothing when it does not answer.
pub async fn ask<F: DeserializeOwned>(
    http: &reqwest::Client,
    pod: &Pod,
    port: u16,
    token: &str,
) -> Option<F> {
    let address: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let address = SocketAddr::new(address, port);
    let answer = http
        .get(format!("http://{address}{FACTS}"))
        .bearer_auth(token)
        .timeout(LIMIT)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    match answer {
        Ok(response) => response.json().await.ok(),
        Err(error) => {
            tracing::debug!(pod = pod.name_any(), %error, "an agent does not answer");
            None
        }
    }
}

/// What is said of an engine whose agents tell this. What keeps a pod of its StatefulSet from running says more than
/// that something is missing.
///
/// # Errors
/// The cluster could not be read.
pub(crate) async fn observed(
    scene: &Scene<'_>,
    set: &str,
    replicas: i32,
    pods: &[&Pod],
    (mut reason, mut message): (Reason, String),
) -> Result<Observation, Error> {
    if reason != Reason::Ready {
        let refused = refused(scene, set, replicas, pods).await?;
        if let Some((cause, why)) = refused.or_else(|| rollout::hindrance(pods)) {
            if reason == Reason::Degraded {
                message = format!("{message}; {why}");
            } else {
                (reason, message) = (cause, why);
            }
        }
    }
    let mut observation = Observation::new(reason, message);
    observation.look_again = Some(if reason == Reason::Ready { CALM } else { BUSY });
    Ok(observation)
}

/// Why the cluster makes no pods of a StatefulSet, when some are not there.
///
/// # Errors
/// The cluster could not be read.
pub async fn refused(
    scene: &Scene<'_>,
    set: &str,
    replicas: i32,
    pods: &[&Pod],
) -> Result<Option<(Reason, String)>, Error> {
    let wanted = usize::try_from(replicas).unwrap_or_default();
    let uid = scene
        .live
        .stateful_set(set)
        .and_then(|set| set.metadata.uid.clone());
    match uid {
        Some(uid) if pods.len() < wanted => {
            let (client, namespace) = (&scene.context.client, &scene.facts.namespace);
            refusals::last(client, namespace, "StatefulSet", set, &uid)
                .await
                .map(|last| last.map(|message| (Reason::QuotaExceeded, message)))
        }
        _ => Ok(None),
    }
}
