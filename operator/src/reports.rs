//! Asks workloads what they see of their dependencies.
//!
//! The operator never dials what a spec names: it asks the pods it made.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState, Report};
use chatbot_contract::{Workload, paths, ports};
use k8s_openapi::api::core::v1::Pod;

use crate::component::{Observation, Scene};
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

/// A server that somebody else runs, in the eyes of the workloads that use it.
#[derive(Clone, Copy)]
pub(crate) struct Reported {
    pub(crate) dependency: DependencyName,
    pub(crate) reasons: Reasons,
    /// Who is asked: of these groups the first in which somebody answers.
    pub(crate) askers: &'static [&'static [Workload]],
    /// Whether what the workload says of it begins with where it is.
    pub(crate) says_where: bool,
}

impl Reported {
    /// Asks the workloads.
    pub(crate) async fn observe(&self, place: &str, scene: &Scene<'_>) -> Observation {
        let mut running = Vec::new();
        for asked in self.askers {
            let pods: Vec<&Pod> = asked
                .iter()
                .flat_map(|workload| scene.live.pods(workload.name()))
                .collect();
            running = ask(&scene.context.http, &pods).await;
            if !running.is_empty() {
                break;
            }
        }
        let mut observation = self.seen(place, &running);
        observation.look_again = Some(INTERVAL);
        observation
    }

    fn seen(&self, place: &str, running: &[Report]) -> Observation {
        let seen = dependency(running, self.dependency);
        let Some(seen) = seen.filter(|seen| seen.state != DependencyState::Unknown) else {
            return Observation::new(Reason::Unknown, format!("{place} was not tried yet"));
        };
        let message = if self.says_where {
            seen.message
        } else {
            format!("{place}: {}", seen.message)
        };
        Observation::new(self.reasons.of(seen.state), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::mail_server::MAIL;
    use crate::{documents, kafka, redis};

    fn report(name: DependencyName, state: DependencyState) -> Report {
        Report {
            dependencies: vec![Dependency {
                name,
                state,
                message: "said".to_owned(),
            }],
        }
    }

    #[test]
    fn one_replica_that_reaches_it_is_enough() {
        let reports = [
            report(DependencyName::Model, DependencyState::Unreachable),
            report(DependencyName::Model, DependencyState::Ok),
        ];
        let seen = dependency(&reports, DependencyName::Model);
        assert_eq!(seen.map(|seen| seen.state), Some(DependencyState::Ok));
        assert_eq!(dependency(&reports, DependencyName::Mysql), None);
    }

    #[test]
    fn it_is_as_the_workloads_see_it() {
        for (reported, reasons) in [
            (
                kafka::EXTERNAL,
                [
                    Reason::KafkaUnreachable,
                    Reason::KafkaRefused,
                    Reason::KafkaFailing,
                ],
            ),
            (
                documents::EXTERNAL,
                [
                    Reason::DocumentsUnreachable,
                    Reason::DocumentsRefused,
                    Reason::DocumentsFailing,
                ],
            ),
            (
                redis::EXTERNAL,
                [
                    Reason::RedisUnreachable,
                    Reason::RedisRefused,
                    Reason::RedisFailing,
                ],
            ),
            (
                MAIL,
                [
                    Reason::MailUnreachable,
                    Reason::MailRefused,
                    Reason::MailFailing,
                ],
            ),
        ] {
            let [unreachable, refused, failing] = reasons;
            for (state, reason) in [
                (DependencyState::Ok, Reason::Ready),
                (DependencyState::Unreachable, unreachable),
                (DependencyState::Refused, refused),
                (DependencyState::Failing, failing),
                (DependencyState::Unknown, Reason::Unknown),
            ] {
                let running = [report(reported.dependency, state)];
                assert_eq!(reported.seen("there", &running).reason, reason);
            }
            assert_eq!(reported.seen("there", &[]).reason, Reason::Unknown);
        }
    }

    #[test]
    fn its_place_is_told_once() {
        for (reported, message) in [(kafka::EXTERNAL, "there: said"), (MAIL, "said")] {
            let running = [report(reported.dependency, DependencyState::Failing)];
            assert_eq!(reported.seen("there", &running).message, message);
        }
    }
}
