//! Watches the server in use: follows a new primary at once, and says how MySQL is.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState};

use super::primary::{self, Said};
use super::{Database, Error};

/// Time between two looks while all is well.
const CALM: Duration = Duration::from_secs(2);

/// Time between two looks while it is not.
const TROUBLED: Duration = Duration::from_millis(500);

impl Database {
    /// Looks at the server for ever, and tells `report` what it sees.
    ///
    /// It is what ends a unit of work that hangs on a server which is paused or cut off: as soon
    /// as another server is the primary, everything on the old one is broken off and tried again.
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

    /// Looks once.
    pub async fn look(&self) -> Dependency {
        let (state, message) = match self.check().await {
            Ok(host) => (DependencyState::Ok, format!("MySQL at {host} takes writes")),
            Err(error) => (error.category().state(), error.chain()),
        };
        Dependency {
            name: DependencyName::Mysql,
            state,
            message,
        }
    }

    async fn check(&self) -> Result<String, Error> {
        if let Some(server) = self.current().await
            && let Ok(Said::Primary) = primary::ask(self.config(), &server.host).await
        {
            return Ok(server.host.to_string());
        }
        let host = primary::find(self.config()).await?;
        let name = host.to_string();
        self.follow(host).await?;
        Ok(name)
    }
}
