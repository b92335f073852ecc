//! Engines whose members need no brain on the operator's side, Redis, Kafka and MongoDB: what the members shall be, the objects
//! that they are made of, and what their agents tell.
//!
//! A StatefulSet whose pods come up in parallel, since on empty volumes all must be heard, and are restarted one after
//! the other, each when the one before is ready. A Service for each member, by which it is announced: pods come
//! and go with other addresses, and what members note of each other must stay true.

use std::collections::BTreeMap;

use chatbot_contract::paths;
use chatbot_crds::{EngineStatus, MemberStatus, PodTemplate, Resources, StorageSpec};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{
    Container, Pod, PodSpec, PodTemplateSpec, ResourceRequirements, Volume,
};
use kube::ResourceExt;
use kube::api::ObjectMeta;
use serde::de::DeserializeOwned;

use super::{ask, check_class, lines, observed};
use crate::agent::Told;
use crate::build::service::{member_service, port_named};
use crate::build::stateful_set::{self, Parts};
use crate::build::{account, agent, budget, config, env, pod};
use crate::child::Child;
use crate::component::{Error, Observation, Scene};
use crate::facts::Facts;
use crate::reason::{Problem, Reason};
use crate::{labels, names};

/// What is special about an engine.
pub(crate) struct Engine {
    /// The component, whose name the container and the folders have as well.
    pub(crate) component: &'static str,
    /// The agent's subcommand.
    pub(crate) agent: &'static str,
    /// Version of new members where the spec names none.
    pub(crate) default_version: &'static str,
    /// Requests and limits of the container where the spec names none: processor and memory.
    pub(crate) resources: [[&'static str; 2]; 2],
    /// Name of the file with the settings that a person chose, and what stands between a name and a value in it;
    /// nothing where there are none to choose.
    pub(crate) config: Option<(&'static str, char)>,
    /// User and group of the server in the official image.
    pub(crate) user: i64,
    /// Time that an orderly stop may take (seconds).
    pub(crate) grace_seconds: i64,
    /// The server's ports.
    pub(crate) ports: &'static [(&'static str, u16)],
    /// The agent's port.
    pub(crate) agent_port: u16,
    /// Key of the agents' token in the identity.
    pub(crate) token: &'static str,
    /// Keys of the accounts' passwords.
    pub(crate) passwords: fn() -> Vec<String>,
}

/// What a spec asks for.
pub(crate) struct Asked {
    pub(crate) version: Option<String>,
    pub(crate) replicas: i32,
    pub(crate) storage: StorageSpec,
    pub(crate) resources: Option<Resources>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) pod_template: Option<PodTemplate>,
}

/// What the members shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Members {
    /// Name of the ChatbotDeployment.
    pub deployment: String,
    /// Its namespace.
    pub namespace: String,
    /// The component.
    pub component: &'static str,
    /// The server's version.
    pub version: String,
    /// The server's image.
    pub image: String,
    /// Image that holds the agent.
    pub agent_image: String,
    /// Members.
    pub replicas: i32,
    /// Volume of each.
    pub storage: StorageSpec,
    /// Requests and limits of the container.
    pub resources: ResourceRequirements,
    /// Lines of the server's configuration that the spec asks for.
    pub config: String,
    /// What the spec lays over the pods.
    pub template: Option<PodTemplateSpec>,
    /// What the agents want to hear, from the identity.
    pub token: String,
}

/// A declared member, and what its agent tells.
pub(crate) struct Member<F> {
    pub(crate) name: String,
    pub(crate) facts: Option<F>,
}

impl<F: Told> Member<F> {
    pub(crate) fn in_step(&self) -> bool {
        self.facts.as_ref().is_some_and(Told::in_step)
    }
}

impl Members {
    /// Makes the plan; `status` is what stands in the status of members that were made before.
    pub(crate) fn plan(
        engine: &Engine,
        facts: &Facts,
        asked: Asked,
        repository: &str,
        status: Option<&EngineStatus>,
    ) -> Result<Self, Problem> {
        let component = engine.component;
        // A class that goes away later takes nothing from volumes that exist.
        if status.is_none() {
            check_class(component, &asked.storage, facts.storage_classes.as_deref())?;
        }
        // Kept in status at creation, so that a newer operator does not move the data by itself.
        let kept = status.and_then(|status| status.version.clone());
        let version = asked
            .version
            .or(kept)
            .unwrap_or_else(|| engine.default_version.to_owned());
        let [requests, limits] = engine.resources;
        let field = format!("{component}.managed.podTemplate");
        Ok(Self {
            deployment: facts.name.clone(),
            namespace: facts.namespace.clone(),
            component,
            image: format!("{repository}:{version}"),
            version,
            agent_image: facts.settings.operator_image.clone(),
            replicas: asked.replicas,
            storage: asked.storage,
            resources: pod::resources(asked.resources.as_ref(), requests, limits),
            config: match engine.config {
                Some((_, between)) => lines(component, &asked.config, between)?,
                None => String::new(),
            },
            template: pod::parse_template(&field, asked.pod_template.as_ref())?,
            token: facts.identity()?.text(engine.token)?.to_owned(),
        })
    }

    /// Name of the StatefulSet, and the first part of the pods' names.
    pub(crate) fn name(&self) -> String {
        names::of(&self.deployment, self.component)
    }

    fn config_name(&self) -> String {
        format!("{}-config", self.name())
    }

    /// The members, by their ordinal.
    fn members(&self) -> impl Iterator<Item = String> {
        (0..self.replicas).map(|ordinal| names::member(&self.deployment, self.component, ordinal))
    }

    pub(crate) fn selector(&self) -> BTreeMap<String, String> {
        labels::selector(&self.deployment, self.component)
    }
}

/// The objects, in the order of need.
pub(crate) fn build(engine: &Engine, plan: &Members) -> Vec<Child> {
    let selector = plan.selector();
    let mut children = vec![account::account(&plan.name())];
    if let Some((file, _)) = engine.config {
        children.push(config::config(plan.config_name(), file, &plan.config));
    }
    children.extend(plan.members().map(|member| service(engine, plan, member)));
    children.extend(budget::budget(
        &plan.name(),
        selector.clone(),
        plan.replicas,
    ));
    children.push(stateful_set::stateful_set(Parts {
        name: plan.name(),
        service: None,
        replicas: plan.replicas,
        by_hand: false,
        // What stands there can be made again, or nobody can take it up: it is not worth a volume that nobody uses.
        delete_volumes: true,
        template: pod::merged(template(engine, plan), plan.template.clone(), &selector),
        claim: stateful_set::claim(&plan.deployment, plan.component, &plan.storage),
        selector,
    }));
    children
}

fn ports(engine: &Engine) -> impl Iterator<Item = (&'static str, u16)> {
    let agent = ("agent", engine.agent_port);
    engine.ports.iter().copied().chain([agent])
}

fn service(engine: &Engine, plan: &Members, member: String) -> Child {
    let ports = ports(engine).map(|(name, port)| port_named(name, port, name, None));
    member_service(member, plan.selector(), ports.collect())
}

fn template(engine: &Engine, plan: &Members) -> PodTemplateSpec {
    let hash = |_| {
        let hash = config::hash(&plan.config);
        [(labels::CONFIG_HASH.to_owned(), hash)].into()
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::common(&plan.deployment, plan.component)),
            annotations: engine.config.map(hash),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(plan.name()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(engine.grace_seconds),
            security_context: Some(pod::restricted_pod(engine.user)),
            topology_spread_constraints: Some(vec![pod::spread(plan.selector(), false)]),
            init_containers: Some(vec![agent::install(&plan.agent_image)]),
            containers: vec![server(engine, plan)],
            volumes: Some(volumes(engine, plan)),
            ..PodSpec::default()
        }),
    }
}

fn server(engine: &Engine, plan: &Members) -> Container {
    let component = engine.component;
    let folder = format!("/etc/chatbot/{component}");
    let mut args = vec![engine.agent.to_owned()];
    let mut volume_mounts = vec![
        pod::mount("data", "/data", false),
        pod::mount("runtime", &format!("/run/{component}"), false),
        pod::mount("tmp", "/tmp", false),
        agent::mount(),
        pod::mount("identity", "/etc/chatbot/identity", true),
    ];
    if let Some((file, _)) = engine.config {
        args.extend(["--config".to_owned(), format!("{folder}/{file}")]);
        volume_mounts.push(pod::mount("config", &folder, true));
    }
    Container {
        name: component.to_owned(),
        image: Some(plan.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec![agent::program()]),
        args: Some(args),
        env: Some(vec![
            env::field("POD_NAME", "metadata.name"),
            env::value("MEMBERS", plan.members().collect::<Vec<_>>().join(",")),
            env::value("MEMBER_DOMAIN", format!(".{}.svc", plan.namespace)),
            env::memory_limit("MEMORY_LIMIT"),
        ]),
        ports: Some(
            ports(engine)
                .map(|(name, port)| pod::port(name, port))
                .collect(),
        ),
        resources: Some(plan.resources.clone()),
        security_context: Some(pod::restricted_container()),
        // The agent answers from its first moment; a server that hangs is the other members' to replace.
        liveness_probe: Some(pod::http_probe(paths::LIVEZ, "agent", 10, 6)),
        readiness_probe: Some(pod::http_probe(paths::READYZ, "agent", 2, 2)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(volume_mounts),
        ..Container::default()
    }
}

fn volumes(engine: &Engine, plan: &Members) -> Vec<Volume> {
    let passwords = (engine.passwords)();
    let items: Vec<(&str, &str)> = std::iter::once(engine.token)
        .chain(passwords.iter().map(String::as_str))
        .map(|key| (key, key))
        .collect();
    let mut volumes = vec![
        agent::volume(),
        pod::empty_dir("tmp"),
        // The agent writes passwords there for the server to read at its start.
        pod::memory("runtime", "8Mi"),
        pod::secret_volume("identity", &names::identity(&plan.deployment), &items),
    ];
    if engine.config.is_some() {
        volumes.push(pod::config_volume("config", &plan.config_name()));
    }
    volumes
}

/// Asks all agents at once, and says how the members are.
pub(crate) async fn observe<F: DeserializeOwned>(
    engine: &Engine,
    plan: &Members,
    scene: &Scene<'_>,
    say: fn(&[Member<F>]) -> (Reason, String),
) -> Result<(Vec<Member<F>>, Observation), Error> {
    let pods = scene.live.pods(plan.component);
    let members = gather(&scene.context.http, engine.agent_port, plan, &pods).await;
    let said = say(&members);
    let observation = observed(scene, &plan.name(), plan.replicas, &pods, said).await?;
    Ok((members, observation))
}

async fn gather<F: DeserializeOwned>(
    http: &reqwest::Client,
    port: u16,
    plan: &Members,
    pods: &[&Pod],
) -> Vec<Member<F>> {
    let asked = plan.members().map(|name| async move {
        let pod = pods.iter().find(|pod| pod.name_any() == name);
        let facts = match pod {
            Some(pod) => ask(http, pod, port, &plan.token).await,
            None => None,
        };
        Member { name, facts }
    });
    join_all(asked).await
}

/// Says how the members are: what the leader does, if there is one that is followed, and who is not in step. Without one they
/// start, or where a member `began` already, it is `without` that says of those out of step what is missing. What went wrong at a
/// member follows.
pub(crate) fn say<F: Told>(
    members: &[Member<F>],
    leader: Option<&str>,
    does: &str,
    began: impl Fn(&F) -> bool,
    without: impl FnOnce(&str) -> String,
) -> (Reason, String) {
    let missing = members.iter().filter(|member| !member.in_step());
    let missing: Vec<&str> = missing.map(|member| member.name.as_str()).collect();
    let (all, missing) = (members.len(), missing.join(", "));
    let heard = || members.iter().filter_map(|member| member.facts.as_ref());
    let (reason, mut message) = match leader {
        Some(name) if missing.is_empty() => (
            Reason::Ready,
            format!("{name} {does}, {all} of {all} members are in step"),
        ),
        Some(name) => (
            Reason::Degraded,
            format!("{name} {does}; not in step: {missing}"),
        ),
        None if heard().any(began) => (Reason::NoPrimary, without(&missing)),
        None => (Reason::Starting, format!("waiting for {missing} to start")),
    };
    for Member { name, facts } in members {
        if let Some(problem) = facts.as_ref().and_then(Told::problem) {
            message.push_str(&format!("; {name}: {problem}"));
        }
    }
    (reason, message)
}

/// The status of the members: their states and roles are `seen` by what their agents tell.
pub(crate) fn status<F: Told>(
    plan: &Members,
    members: &[Member<F>],
    primary: Option<&str>,
    seen: impl Fn(&Member<F>) -> (&'static str, Option<String>),
) -> EngineStatus {
    let in_step = members.iter().filter(|member| member.in_step()).count();
    let member = |member: &Member<F>| {
        let (state, role) = seen(member);
        MemberStatus {
            name: member.name.clone(),
            state: state.to_owned(),
            role,
        }
    };
    EngineStatus {
        version: Some(plan.version.clone()),
        primary: primary.map(str::to_owned),
        ready: Some(format!("{in_step}/{}", members.len())),
        members: members.iter().map(member).collect(),
    }
}
