//! One chat system for all tests of a run that are not about its life: made by whichever comes
//! first, and deleted by the next run.

use crate::system::{merged, small};
use crate::{Cluster, Result, System, TestNamespace, model, wait};
use serde_json::json;

/// What the namespace's name begins with; the run follows.
pub const PREFIX: &str = "e2e-shared-";

/// The shared system, Ready: one MySQL member, one pod of each workload, answered by the stand-in for Groq.
///
/// # Errors
/// It does not become Ready.
pub async fn system(cluster: &Cluster) -> Result<System> {
    let name = format!("{PREFIX}{}", cluster.settings.run);
    let namespace = TestNamespace::make(cluster, &name).await?;
    let llm = model::start(&namespace, None).await?;
    // Applying what is there already changes nothing.
    let system = System::apply(&namespace, "shared", merged(small(), json!({"llm": llm}))).await?;
    system.ready(wait::LONG).await?;
    Ok(system)
}
