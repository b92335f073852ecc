//! Asks workloads what they see of their dependencies.
//!
//! The operator never dials what a spec names: it asks the pods it made.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState, Report};
use chatbot_contract::{paths, ports};
use k8s_openapi::api::core::v1::Pod;

use crate::reason::Reason;

/// More pods are not asked: they see the same.
const MOST_PODS: usize = 3;
/// When to ask again.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// A pod that does not answer in this time says nothing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks pods for their reports; a pod that does not answer is left out.
pub async fn ask(http: &reqwest::Client, pods: &[&Pod]) -> Vec<Report> {
    let addresses: Vec<String> = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.clone())
        .take(MOST_PODS)
        .collect();
    let asked = addresses.iter().map(|address| fetch(http, address));
    futures::future::join_all(asked)
        .await
        .into_iter()
        .flatten()
        .collect()
}

async fn fetch(http: &reqwest::Client, address: &str) -> Option<Report> {
    let host = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    let url = format!("http://{host}:{}{}", ports::ADMIN, paths::REPORT);
    let response = http.get(url).timeout(TIMEOUT).send().await.ok()?;
    response.json().await.ok()
}

/// What the reports say of a dependency: that it works when one of them says so, and otherwise
/// what most clearly does not.
#[must_use]
pub fn dependency(reports: &[Report], name: DependencyName) -> Option<Dependency> {
    reports
        .iter()
        .flat_map(|report| &report.dependencies)
        .filter(|dependency| dependency.name == name)
        .min_by_key(|dependency| match dependency.state {
            DependencyState::Ok => 0,
            DependencyState::Refused => 1,
            DependencyState::Failing => 2,
            DependencyState::Unreachable => 3,
            DependencyState::Unknown => 4,
        })
        .cloned()
}

/// Reasons of a dependency that is somebody else's: it does not answer, refuses us, or answers and something else
/// is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Reasons {
    /// No connection, or no answer in time.
    pub unreachable: Reason,
    /// It refuses our credentials.
    pub refused: Reason,
    /// Something else is wrong.
    pub failing: Reason,
}

impl Reasons {
    /// The reason for a state.
    #[must_use]
    pub const fn of(self, state: DependencyState) -> Reason {
        match state {
            DependencyState::Unknown => Reason::Unknown,
            DependencyState::Ok => Reason::Ready,
            DependencyState::Unreachable => self.unreachable,
            DependencyState::Refused => self.refused,
            DependencyState::Failing => self.failing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: DependencyState) -> Report {
        Report {
            dependencies: vec![Dependency {
                name: DependencyName::Model,
                state,
                message: String::new(),
            }],
        }
    }

    #[test]
    fn one_replica_that_reaches_it_is_enough() {
        let reports = [
            report(DependencyState::Unreachable),
            report(DependencyState::Ok),
        ];
        let seen = dependency(&reports, DependencyName::Model);
        assert_eq!(seen.map(|seen| seen.state), Some(DependencyState::Ok));
        assert_eq!(dependency(&reports, DependencyName::Mysql), None);
    }
}
