//! The migration: a Job that brings the schema up to date before the workloads that need it.
//!
//! Its name carries the hash of its pod, so that a new image or another database is another Job,
//! and a workload can tell whether the schema fits *its* image. A Job that failed is deleted after
//! a while and made again: what was wrong outside is then noticed to be right.

use std::time::Duration;

use chatbot_contract::{MIGRATE, environment, exit, mysql};
use chatbot_crds::{ChatbotDeploymentSpec, conditions};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, PodSpec, PodTemplateSpec};
use kube::api::{DeleteParams, ObjectMeta, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::apply::hex;
use crate::authority::Authority;
use crate::build::{account, pod};
use crate::child::Child;
use crate::component::{Component, Error, Observation, Scene};
use crate::components::workload::{SecretFile, USER, secret_files};
use crate::database::{self, Database};
use crate::engine::Account;
use crate::facts::{Facts, References};
use crate::live::Live;
use crate::reason::{Problem, Reason};
use crate::rollout::{ended, hindrance};
use crate::{labels, names, refusals};

/// A Job that failed is made again after this time (seconds).
const AGAIN_AFTER_SECONDS: i64 = 15;

/// How long one Job looks for a server that takes writes (seconds): then its failure is told, and
/// the next Job looks on.
const WAIT_SECONDS: &str = "20";

/// The component.
pub struct Migration;

/// What the Job shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name: changes when the pod does.
    pub job: String,
    deployment: String,
    template: PodTemplateSpec,
}

/// Makes the plan.
///
/// # Errors
/// A Secret, a key or the identity is not there, or a key holds no certificate authority.
pub fn plan(facts: &Facts) -> Result<Plan, Problem> {
    let Database {
        hosts,
        topology,
        tls,
        authority,
        users_schema,
        conversations_schema,
    } = Database::of(facts)?;
    let Account {
        user,
        secret,
        key,
        password,
    } = database::account(facts, mysql::MIGRATE_ACCOUNT)?;
    let mut contents = Sha256::new_with_prefix(&password);
    let mut files = vec![SecretFile::new(
        environment::MYSQL_PASSWORD_FILE,
        secret,
        key,
    )];
    if let Some(Authority { secret, key, pem }) = authority {
        contents.update(pem);
        files.push(SecretFile::new(environment::MYSQL_CA_FILE, secret, key));
    }
    let (volumes, mounts, paths) = secret_files(&files);
    let mut env: Vec<EnvVar> = [
        (environment::MYSQL_HOSTS, hosts.join(",")),
        (environment::MYSQL_TOPOLOGY, topology.to_owned()),
        (environment::MYSQL_TLS, tls.to_owned()),
        (environment::MYSQL_USER, user),
        (environment::MYSQL_USERS_SCHEMA, users_schema),
        (
            environment::MYSQL_CONVERSATIONS_SCHEMA,
            conversations_schema,
        ),
    ]
    .map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    })
    .into();
    env.extend(paths);
    // Where the storage workload may run and how its image is pulled, the migration's may as well.
    let like = pod::parse_template(
        "storage.podTemplate",
        facts.spec.storage.pod_template.as_ref(),
    )?
    .and_then(|template| template.spec)
    .unwrap_or_default();
    let labels = labels::common(&facts.name, names::MIGRATION);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(
                [(
                    labels::CONFIG_HASH.to_owned(),
                    hex(&contents.finalize()[..8]),
                )]
                .into(),
            ),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(names::of(&facts.name, names::MIGRATION)),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            restart_policy: Some("Never".to_owned()),
            security_context: Some(pod::restricted_pod(USER)),
            image_pull_secrets: like.image_pull_secrets,
            node_selector: like.node_selector,
            tolerations: like.tolerations.or_else(|| Some(pod::leave_lost_nodes())),
            affinity: like.affinity,
            priority_class_name: like.priority_class_name,
            volumes: Some(volumes),
            containers: vec![Container {
                name: MIGRATE.to_owned(),
                image: Some(facts.image().to_owned()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                args: Some(
                    [MIGRATE, "--wait-seconds", WAIT_SECONDS]
                        .map(str::to_owned)
                        .into(),
                ),
                env: Some(env),
                resources: Some(pod::resources(None, ["20m", "32Mi"], ["1", "128Mi"])),
                security_context: Some(pod::restricted_container()),
                termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
                volume_mounts: Some(mounts),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
    };
    let hash = Sha256::digest(json!(template).to_string().as_bytes());
    Ok(Plan {
        job: format!("{}-migrate-{}", facts.name, hex(&hash[..4])),
        deployment: facts.name.clone(),
        template,
    })
}

/// Whether a Job has done its work.
#[must_use]
pub fn succeeded(job: &Job) -> bool {
    condition_since(job, "Complete").is_some()
}

impl Component for Migration {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        names::MIGRATION
    }

    fn condition(&self) -> &'static str {
        conditions::SCHEMA_READY
    }

    fn status_field(&self) -> Option<&'static str> {
        None
    }

    fn references(&self, spec: &ChatbotDeploymentSpec) -> References {
        References {
            secrets: database::secrets(spec),
            identity: true,
            ..References::default()
        }
    }

    fn validate(&self, facts: &Facts) -> Result<Plan, Problem> {
        plan(facts)
    }

    fn needs(&self, plan: &Plan, facts: &Facts, live: &Live) -> Vec<String> {
        let managed = facts.spec.mysql.external.is_none();
        // A group of which not all members are there yet takes writes all the same.
        let writable = facts.condition_is_true(conditions::MYSQL_READY)
            || facts
                .status
                .components
                .mysql
                .as_ref()
                .is_some_and(|mysql| mysql.primary.is_some());
        if !managed || writable || live.job(&plan.job).is_some() {
            Vec::new()
        } else {
            vec!["MySQL: no member takes writes yet".to_owned()]
        }
    }

    fn build(&self, plan: &Plan) -> Vec<Child> {
        vec![
            account::account(&names::of(&plan.deployment, names::MIGRATION)),
            Child::new(&Job {
                metadata: ObjectMeta {
                    name: Some(plan.job.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(JobSpec {
                    backoff_limit: Some(0),
                    template: plan.template.clone(),
                    ..JobSpec::default()
                }),
                status: None,
            }),
        ]
    }

    async fn observe(&self, plan: &Plan, scene: &Scene<'_>) -> Result<Observation, Error> {
        let Some(job) = scene.live.job(&plan.job) else {
            return Ok(Observation::new(Reason::Migrating, "the Job is being made"));
        };
        let pods: Vec<&Pod> = scene
            .live
            .pods(names::MIGRATION)
            .into_iter()
            .filter(|pod| belongs(pod, job))
            .collect();
        if pods.is_empty()
            && condition_since(job, "Complete").is_none()
            && let Some(message) = refused(scene, job).await?
        {
            return Ok(Observation::new(Reason::QuotaExceeded, message));
        }
        let observation = observe(job, &pods, scene.facts);
        if let Some(since) = condition_since(job, "Failed")
            && Timestamp::now().duration_since(since).as_secs() >= AGAIN_AFTER_SECONDS
        {
            delete(scene, job).await?;
        }
        Ok(observation)
    }
}

/// Why the Job gets no pod, if it was refused one.
async fn refused(scene: &Scene<'_>, job: &Job) -> Result<Option<String>, Error> {
    refusals::last(
        &scene.context.client,
        &scene.facts.namespace,
        "Job",
        &job.name_any(),
        &job.uid().unwrap_or_default(),
    )
    .await
}

async fn delete(scene: &Scene<'_>, job: &Job) -> Result<(), Error> {
    let name = job.name_any();
    let api: Api<Job> = Api::namespaced(scene.context.client.clone(), &scene.facts.namespace);
    let parameters = DeleteParams::background().preconditions(Preconditions {
        uid: job.uid(),
        resource_version: None,
    });
    match api.delete(&name, &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(Error::kubernetes(format!("delete Job {name}"))(error)),
    }
}

/// Tells how the migration is.
fn observe(job: &Job, pods: &[&Pod], facts: &Facts) -> Observation {
    if succeeded(job) {
        return Observation::new(Reason::Ready, "the schema fits the image");
    }
    if condition_since(job, "Failed").is_some() {
        let (reason, message) = failure(pods);
        return Observation {
            look_again: Some(Duration::from_secs(5)),
            ..Observation::new(reason, message)
        };
    }
    if let Some((reason, message)) = hindrance(pods) {
        return Observation::new(reason, message);
    }
    // Another attempt after a failure: the failure is the news until it succeeds.
    let last = facts
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == conditions::SCHEMA_READY);
    if let Some(last) = last
        && let Ok(reason) = last.reason.parse::<Reason>()
        && matches!(
            reason,
            Reason::MigrationFailed | Reason::MysqlUnreachable | Reason::MysqlRefused
        )
    {
        return Observation::new(reason, last.message.clone());
    }
    Observation::new(Reason::Migrating, format!("Job {} runs", job.name_any()))
}

/// Why the migration failed: what its exit code tells of MySQL, and its last words.
fn failure(pods: &[&Pod]) -> (Reason, String) {
    pods.iter().find_map(|pod| last_words(pod)).unwrap_or((
        Reason::MigrationFailed,
        "the migration failed, and its pod is gone".to_owned(),
    ))
}

/// How the migration in this pod failed, if it did.
#[must_use]
pub fn last_words(pod: &Pod) -> Option<(Reason, String)> {
    pod.status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten())
        .find_map(|container| {
            let state = container.state.as_ref()?;
            let code = state.terminated.as_ref()?.exit_code;
            let reason = match u8::try_from(code) {
                Ok(0) => return None,
                Ok(exit::TRY_LATER) => Reason::MysqlUnreachable,
                Ok(exit::REFUSED) => Reason::MysqlRefused,
                _ => Reason::MigrationFailed,
            };
            Some((
                reason,
                format!("the migration failed: {}", ended(Some(state))),
            ))
        })
}

fn belongs(pod: &Pod, job: &Job) -> bool {
    let uid = job.uid();
    pod.owner_references()
        .iter()
        .any(|owner| Some(&owner.uid) == uid.as_ref())
}

fn condition_since(job: &Job, type_: &str) -> Option<Timestamp> {
    job.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|condition| condition.type_ == type_ && condition.status == "True")
        .map(|condition| {
            condition
                .last_transition_time
                .as_ref()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
        })
}

#[cfg(test)]
mod tests;
