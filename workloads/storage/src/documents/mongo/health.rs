//! How the document store is.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState};
use chatbot_runtime::telemetry;
use mongodb::bson::doc;
use mongodb::error::{Error as MongoError, ErrorKind};

use super::{Error, MongoDocuments, within};

/// Time between two looks while all is well.
const CALM: Duration = Duration::from_secs(5);

/// Time between two looks while it is not.
const TROUBLED: Duration = Duration::from_secs(1);

/// What rustls says of a certificate: of a server that is not to be used the driver keeps the words alone.
const NOT_TRUSTED: &str = "invalid peer certificate";

impl MongoDocuments {
    /// Looks at the document store for ever, and tells `report` what it sees.
    pub async fn watch(&self, report: impl Fn(Dependency)) {
        loop {
            let seen = self.look().await;
            let pause = if seen.state == DependencyState::Ok {
                CALM
            } else {
                TROUBLED
            };
            report(seen);
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks once: with the account, at the database that is written to.
    pub async fn look(&self) -> Dependency {
        let looked = within(
            self.database
                .run_command(doc! {"listCollections": 1, "nameOnly": true}),
        );
        let (state, message) = match looked.await {
            Ok(_) => {
                let message = format!("the document store at {} answers", self.hosts);
                (DependencyState::Ok, message)
            }
            Err(error) => (state(&error), telemetry::chain(&error)),
        };
        Dependency {
            name: DependencyName::Documents,
            state,
            message,
        }
    }
}

fn state(error: &Error) -> DependencyState {
    match error {
        Error::Late => DependencyState::Unreachable,
        Error::Mongo(error) => state_of(error),
        _ => DependencyState::Failing,
    }
}

fn state_of(error: &MongoError) -> DependencyState {
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => DependencyState::Refused,
        ErrorKind::ServerSelection { message, .. } if message.contains(NOT_TRUSTED) => {
            DependencyState::Failing
        }
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => DependencyState::Unreachable,
        _ => DependencyState::Failing,
    }
}
