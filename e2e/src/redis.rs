//! Redis as an administrator sees it: a client in a member's pod.

use chatbot_contract::identity::redis_password;
use chatbot_contract::redis::ADMIN_ACCOUNT;

use crate::system::REDIS;
use crate::{Error, Result, System};

/// The member that takes writes.
///
/// # Errors
/// The status names none.
pub async fn primary(system: &System) -> Result<String> {
    system
        .get()
        .await?
        .status
        .and_then(|status| status.components.redis?.primary)
        .ok_or_else(|| Error::Wrong("the status names no Redis primary".to_owned()))
}

/// Runs a command as administrator in a member, and returns what it answers.
///
/// # Errors
/// The server does not answer, or refuses.
pub async fn command_in(system: &System, pod: &str, command: &str) -> Result<String> {
    let password = system.identity(&redis_password(ADMIN_ACCOUNT)).await?;
    // The password goes the way of the command: arguments can be seen by every process of the machine.
    let script = "read -r REDISCLI_AUTH && export REDISCLI_AUTH && exec redis-cli --no-auth-warning --user \"$0\" -e";
    let input = format!("{password}\n{command}\n");
    system
        .exec(pod, REDIS, &[script, ADMIN_ACCOUNT], &input)
        .await
}
