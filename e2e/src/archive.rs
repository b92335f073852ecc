//! What became of every message besides being stored: it was told, and it is archived.

use chatbot_contract::Workload;

use crate::load::{Load, nothing_lost};
use crate::system::names;
use crate::{Error, Result, System, kafka};

/// Ends the load, and sees that of everything that was acknowledged nothing is lost, and that each message was told and
/// is archived, once and in order.
///
/// # Errors
/// One was not, or not in time.
pub async fn everything_arrived(system: &System, load: Load, what: &str) -> Result<()> {
    let (summary, readable) = load.finish_and_read(what).await?;
    nothing_lost(&summary)?;
    kafka::everything_was_told(system, &readable).await?;
    is_complete(system).await
}

/// Compares every message in MySQL with the archive, in a storage pod; what is on its way may arrive.
async fn is_complete(system: &System) -> Result<()> {
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
