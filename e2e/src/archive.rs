//! The archive of a system, compared with its database.

use chatbot_contract::Workload;

use crate::system::names;
use crate::{Error, Result, System};

/// Compares every message in MySQL with the archive, in a storage pod; what is on its way may arrive.
///
/// # Errors
/// A message is missing, too much, or different after two minutes.
pub async fn is_complete(system: &System) -> Result<()> {
    let storage = Workload::Storage.name();
    let pods = names(&system.pods(storage).await?);
    let pod = pods
        .first()
        .ok_or_else(|| Error::Wrong("there is no storage pod".to_owned()))?;
    let verify = [
        "chatbot",
        "verify",
        "documents",
        "--patience-seconds",
        "120",
    ];
    let said = system.run(pod, storage, &verify, "").await?;
    println!("{}", said.trim());
    Ok(())
}
