//! The agent's way to its own server: the few commands that it needs, of <https://www.mongodb.com/docs/manual/reference/command/>.

use std::net::SocketAddr;
use std::time::Duration;

use chatbot_contract::documents;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::{AuthMechanism, ClientOptions, Credential, ServerAddress};

use crate::documents::mongo::facts::{ServerFacts, State};

/// A server answers what it knows by itself at once.
const LOOK: Duration = Duration::from_secs(2);
/// What the other members have a part in may take longer.
const ACT: Duration = Duration::from_secs(20);
/// For so long a primary that stepped down does not stand for election, and so long it first waits for another that has
/// everything (seconds; the command's own defaults).
const STAND_BACK: i32 = 60;
const CATCH_UP: i32 = 10;

/// MongoDB's error codes (<https://www.mongodb.com/docs/manual/reference/error-codes/>).
const UNAUTHORIZED: i32 = 13;
const INVALID_CONFIG: i32 = 93;
const NOT_YET_INITIALIZED: i32 = 94;
const USER_EXISTS: i32 = 51_003;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the server cannot be asked to {what}")]
    Network {
        what: &'static str,
        #[source]
        source: mongodb::error::Error,
    },
    #[error("the server did not {what} in time")]
    Silent { what: &'static str },
    #[error(
        "the server does not know the agents' account, or by another password, and does not {what}"
    )]
    UnknownAccount { what: &'static str },
    #[error("the server refuses to {what}: error {code} {message}")]
    Refused {
        what: &'static str,
        code: i32,
        message: String,
    },
}

impl Error {
    fn of(what: &'static str, source: mongodb::error::Error) -> Self {
        match &*source.kind {
            ErrorKind::Command(error) => Self::Refused {
                what,
                code: error.code,
                message: error.message.clone(),
            },
            ErrorKind::Authentication { .. } => Self::UnknownAccount { what },
            _ => Self::Network { what, source },
        }
    }

    /// The server's code for it, if the server refused.
    const fn code(&self) -> Option<i32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It belongs to no replica set, or has not yet read to which.
    Empty,
    /// How it is as a member.
    Member(ServerFacts),
}

/// The way to one server.
pub(super) struct Client {
    /// Without an account. A server that knows none yet lets a caller from its own machine make the replica set and the
    /// first account (<https://www.mongodb.com/docs/manual/core/localhost-exception/>).
    anyone: mongodb::Client,
    /// With the agents' account.
    admin: mongodb::Client,
}

impl Client {
    pub(super) fn new(address: SocketAddr, password: &str) -> Self {
        let client = |credential: Option<Credential>| {
            let server = ServerAddress::Tcp {
                host: address.ip().to_string(),
                port: Some(address.port()),
            };
            let options = ClientOptions::builder()
                .app_name("chatbot-agent".to_owned())
                .hosts(vec![server])
                .direct_connection(true)
                .credential(credential)
                .server_selection_timeout(LOOK)
                .connect_timeout(LOOK)
                .build();
            mongodb::Client::with_options(options).expect("the options agree with each other")
        };
        let credential = Credential::builder()
            .username(documents::ADMIN_ACCOUNT.to_owned())
            .password(password.to_owned())
            .source("admin".to_owned())
            .mechanism(AuthMechanism::ScramSha256)
            .build();
        Self {
            anyone: client(None),
            admin: client(Some(credential)),
        }
    }

    /// Asks how the server is.
    pub(super) async fn look(&self) -> Result<Seen, Error> {
        let what = "answer";
        let hello = run(&self.anyone, what, doc! {"hello": 1}, LOOK).await?;
        let status = doc! {"replSetGetStatus": 1};
        if !hello.contains_key("setName") {
            // The same is said by a member that its set's configuration does not name, or that does not find itself there.
            return match run(&self.anyone, what, status, LOOK).await {
                Ok(status) => Ok(Seen::Member(read(&status))),
                Err(error) => match error.code() {
                    Some(NOT_YET_INITIALIZED) => Ok(Seen::Empty),
                    Some(UNAUTHORIZED | INVALID_CONFIG) => Ok(Seen::Member(only(State::Removed))),
                    _ => Err(error),
                },
            };
        }
        let mut said = run(&self.admin, what, status.clone(), LOOK).await;
        if matches!(said, Err(Error::UnknownAccount { .. })) {
            // The accounts are not made, or not yet copied.
            said = run(&self.anyone, what, status, LOOK).await;
        }
        Ok(Seen::Member(match said {
            Ok(status) => read(&status),
            Err(error) => {
                tracing::debug!(
                    error = crate::outcome::chain(&error),
                    "no status of the set"
                );
                only(State::Startup)
            }
        }))
    }

    /// Makes the replica set of these hosts.
    pub(super) async fn initiate(&self, hosts: &[String]) -> Result<(), Error> {
        let members: Vec<Document> = (0i32..)
            .zip(hosts)
            .map(|(id, host)| doc! {"_id": id, "host": host})
            .collect();
        let set = doc! {"_id": documents::REPLICA_SET, "members": members};
        let what = "make the replica set";
        run(&self.anyone, what, doc! {"replSetInitiate": set}, ACT).await?;
        Ok(())
    }

    /// Makes the accounts, or gives the workloads' its password again. Only a primary can.
    pub(super) async fn declare(&self, admin: &str, workload: &str) -> Result<(), Error> {
        let what = "know the agents' account";
        match run(&self.admin, what, doc! {"ping": 1}, LOOK).await {
            Err(Error::UnknownAccount { .. }) => {
                let roles = [
                    role("clusterAdmin", "admin"),
                    role("userAdminAnyDatabase", "admin"),
                ];
                let user = user("createUser", documents::ADMIN_ACCOUNT, admin, &roles);
                run(&self.anyone, "make the agents' account", user, ACT).await?;
            }
            known => {
                known?;
            }
        }
        let roles = [role("readWrite", documents::DATABASE)];
        let user = |command| user(command, documents::WORKLOAD_ACCOUNT, workload, &roles);
        let what = "make the workloads' account";
        match run(&self.admin, what, user("createUser"), ACT).await {
            Err(error) if error.code() == Some(USER_EXISTS) => {
                run(&self.admin, what, user("updateUser"), ACT).await?;
            }
            made => {
                made?;
            }
        }
        Ok(())
    }

    /// Hands the primary over, to a member that has everything.
    pub(super) async fn step_down(&self) -> Result<(), Error> {
        let command = doc! {"replSetStepDown": STAND_BACK, "secondaryCatchUpPeriodSecs": CATCH_UP};
        run(&self.admin, "hand the primary over", command, ACT).await?;
        Ok(())
    }
}

/// Runs a command of the database that administers.
async fn run(
    client: &mongodb::Client,
    what: &'static str,
    command: Document,
    limit: Duration,
) -> Result<Document, Error> {
    let database = client.database("admin");
    match tokio::time::timeout(limit, database.run_command(command)).await {
        Ok(said) => said.map_err(|source| Error::of(what, source)),
        Err(_) => Err(Error::Silent { what }),
    }
}

fn role(role: &str, database: &str) -> Document {
    doc! {"role": role, "db": database}
}

fn user(command: &str, name: &str, password: &str, roles: &[Document]) -> Document {
    doc! {command: name, "pwd": password, "roles": roles, "mechanisms": ["SCRAM-SHA-256"]}
}

/// What is known of a server that gives no status of its set.
const fn only(state: State) -> ServerFacts {
    ServerFacts {
        state,
        behind: None,
        term: 0,
    }
}

/// Reads the answer to `replSetGetStatus`.
fn read(status: &Document) -> ServerFacts {
    let state = number(status.get("myState")).and_then(|state| State::from_repr(state as i32));
    let empty = Vec::new();
    let members = status.get_array("members").unwrap_or(&empty);
    let last = |is: &dyn Fn(&Document) -> bool| {
        let mut documents = members.iter().filter_map(Bson::as_document);
        let found = documents.find(|member| is(member))?;
        found.get_datetime("optimeDate").ok()
    };
    let own = last(&|member| member.get_bool("self").unwrap_or_default());
    let primary = last(&|member| number(member.get("state")) == Some(State::Primary as i64));
    let behind = own.zip(primary).map(|(own, primary)| {
        let milliseconds = primary.timestamp_millis() - own.timestamp_millis();
        u64::try_from(milliseconds / 1000).unwrap_or_default()
    });
    ServerFacts {
        state: state.unwrap_or(State::Startup),
        behind,
        term: number(status.get("term")).unwrap_or_default(),
    }
}

/// A number, whichever of its types the server chose.
fn number(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;

    use super::*;

    fn status(own: i64, primary: i64) -> Document {
        doc! {
            "myState": 2,
            "term": 3i64,
            "members": [
                {"state": 1, "optimeDate": DateTime::from_millis(primary)},
                {"state": 2, "optimeDate": DateTime::from_millis(own), "self": true},
            ],
        }
    }

    #[test]
    fn a_secondary_is_as_far_behind_as_its_last_change_is_older() {
        let facts = read(&status(1_000, 8_500));
        assert_eq!((facts.state, facts.term), (State::Secondary, 3));
        assert_eq!(facts.behind, Some(7));
        // What it knows of the primary is older than what it copied from it.
        assert_eq!(read(&status(2_000, 1_000)).behind, Some(0));
    }

    #[test]
    fn without_a_primary_nobody_knows_what_is_missing() {
        let status = doc! {"myState": 2, "members": [{"state": 2, "self": true}]};
        assert_eq!(read(&status).behind, None);
    }
}
