//! One description of a component: what it needs, what it builds, and when it is ready.
//!
//! Every engine and every workload is one of these, and nothing else in the operator knows it but
//! the list in [`crate::run`]. A component is served by a controller of its own with a queue of its own, so a
//! hung one blocks only itself. The controller takes it through the same steps each time:
//!
//! 1. *dereference* (network): what [`Component::references`] names is read into [`Facts`];
//! 2. *validate* (pure): [`Component::validate`] makes one owned plan of spec and facts, or says
//!    what is wrong; nothing after it reads the raw spec;
//! 3. *need* (pure): [`Component::needs`] tells what must be there first;
//! 4. *build* (pure): [`Component::build`] makes the objects that shall exist;
//! 5. *apply* (network): server-side apply under the component's own field manager; what would
//!    change nothing is skipped, what is no longer built is deleted;
//! 6. *observe*: [`Component::observe`] tells how the component is. An engine has its brain here
//!    (facts, decide, act), the only step besides 1 and 5 that may use the network;
//! 7. *status* (network): the component's condition and its part of `status.components`.

use std::future::Future;
use std::time::Duration;

use chatbot_crds::{ChatbotDeploymentSpec, ComponentStatuses};

use crate::child::Child;
use crate::context::Context;
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::reason::{Problem, Reason};

/// A part of a chat system that is brought up and watched on its own.
pub trait Component: Send + Sync + 'static {
    /// What `validate` makes: everything that `build` and `observe` need.
    type Plan: Send + Sync;

    /// Value of the component label, last part of the field manager, label of metrics.
    fn name(&self) -> &'static str;

    /// Type of its condition.
    fn condition(&self) -> &'static str;

    /// Types of the conditions that it writes besides its own.
    fn further_conditions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Its field of `status.components`, as it stands in YAML.
    fn status_field(&self) -> Option<&'static str>;

    /// Whether the spec asks for it; when not, nothing is done. Two components may share a name
    /// when the spec asks for one of them and can never change that: managed and external MySQL.
    fn wanted(&self, _spec: &ChatbotDeploymentSpec) -> bool {
        true
    }

    /// Whether the spec may stop asking for it: its conditions go then.
    fn optional(&self) -> bool {
        false
    }

    /// What must be read before it is validated. A change of one of these Secrets starts a reconcile.
    fn references(&self, spec: &ChatbotDeploymentSpec) -> References;

    /// Makes the plan.
    ///
    /// # Errors
    /// What is wrong, for the condition; objects that exist are then left as they are.
    fn validate(&self, facts: &Facts) -> Result<Self::Plan, Problem>;

    /// What is missing before its objects may be made or changed: a phrase each, such as
    /// `mysql: no member takes writes`. Empty when nothing is.
    fn needs(&self, plan: &Self::Plan, facts: &Facts, live: &Live) -> Vec<String>;

    /// Makes the objects that shall exist, in the order in which they are applied.
    fn build(&self, plan: &Self::Plan) -> Vec<Child>;

    /// Tells how the component is, after its objects were applied.
    ///
    /// # Errors
    /// The cluster could not be read or changed; the reconcile is tried again with growing delays.
    fn observe(
        &self,
        plan: &Self::Plan,
        scene: &Scene<'_>,
    ) -> impl Future<Output = Result<Observation, Error>> + Send;
}

/// What `observe` may use.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Client and settings.
    pub context: &'a Context,
    /// What was read at the start.
    pub facts: &'a Facts,
    /// The objects of the ChatbotDeployment, with what was just applied.
    pub live: &'a Live,
}

/// How a component is.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Reason of the component's condition; its class gives the status.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
    /// Further conditions that this component writes.
    pub further: Vec<FurtherCondition>,
    /// Its part of `status.components`: only its own field is set.
    pub part: ComponentStatuses,
    /// URL for users: the load balancer's to say.
    pub endpoint: Option<String>,
    /// When to look again even if nothing is seen to change; the default is minutes.
    pub look_again: Option<Duration>,
    /// What a person should know, besides a changed condition.
    pub events: Vec<Notice>,
}

impl Observation {
    /// An observation with a reason and a sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            further: Vec::new(),
            part: ComponentStatuses::default(),
            endpoint: None,
            look_again: None,
            events: Vec::new(),
        }
    }
}

/// A condition besides the component's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherCondition {
    /// Its type.
    pub type_: &'static str,
    /// Its reason; the class gives the status.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
}

/// What becomes an Event on the ChatbotDeployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is a warning.
    pub warning: bool,
    /// CamelCase, a fixed string for each kind of notice.
    pub reason: &'static str,
    /// One sentence for a person.
    pub message: String,
}

/// What went wrong in a step that uses the network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("failed to {step}")]
    Kubernetes {
        /// What was attempted, such as `apply Deployment shop-chat`.
        step: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// An engine refused or did not answer.
    #[error("failed to {step}")]
    Engine {
        /// What was attempted.
        step: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something found or built is not what it must be.
    #[error("{0}")]
    Refused(Problem),
}

impl Error {
    /// Wraps an error of the API server.
    pub fn kubernetes(step: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let step = step.into();
        move |source| Self::Kubernetes {
            step,
            source: Box::new(source),
        }
    }

    /// Wraps an error of an engine.
    pub fn engine<E>(step: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let step = step.into();
        move |source| Self::Engine {
            step,
            source: Box::new(source),
        }
    }

    /// A small fixed word for metrics and Events.
    #[must_use]
    pub const fn category(&self) -> &'static str {
        match self {
            Self::Kubernetes { .. } => "kubernetes",
            Self::Engine { .. } => "engine",
            Self::Refused(_) => "refused",
        }
    }
}
