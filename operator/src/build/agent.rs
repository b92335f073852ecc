//! The parts of a pod in which an agent is the parent of an engine.

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};

use super::pod;
use crate::agent::PROGRAM;

const NAME: &str = "agent";
const FOLDER: &str = "/agent";

/// The init container that copies the agent into the pod: the engine's image stays as its makers made it.
#[must_use]
pub fn install(image: &str) -> Container {
    Container {
        name: NAME.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(["install", FOLDER].map(str::to_owned).into()),
        resources: Some(pod::resources(None, ["20m", "16Mi"], ["1", "128Mi"])),
        security_context: Some(pod::restricted_container()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![pod::mount(NAME, FOLDER, false)]),
        ..Container::default()
    }
}

/// The volume that it is copied to.
#[must_use]
pub fn volume() -> Volume {
    pod::empty_dir(NAME)
}

/// That volume in the engine's container.
#[must_use]
pub fn mount() -> VolumeMount {
    pod::mount(NAME, FOLDER, true)
}

/// The agent's path in the engine's container.
#[must_use]
pub fn program() -> String {
    format!("{FOLDER}/{PROGRAM}")
}
