//! What a server answers, and what it refuses and to whom
//! (<https://www.mongodb.com/docs/manual/reference/command/>, <https://www.mongodb.com/docs/manual/reference/error-codes/>).

use std::time::{Duration, Instant};

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::Mongod;
use super::data::{Member, State, Stored, User};
use super::scram::{Conversation, Credential};
use super::wire::says;

/// How long a write waits for a majority to have it.
const MAJORITY: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_millis(20);

/// One caller's connection.
pub(super) struct Session {
    /// Whether it comes from the server's own machine.
    local: bool,
    user: Option<User>,
    conversation: Option<Conversation>,
}

impl Session {
    pub(super) const fn new(local: bool) -> Self {
        Self {
            local,
            user: None,
            conversation: None,
        }
    }
}

/// Why a command is not done: MongoDB's code and name of it, and a sentence.
struct Refusal(i32, &'static str, &'static str);

const UNAUTHORIZED: Refusal = Refusal(13, "Unauthorized", "not authorized on this database");
const WRONG_PASSWORD: Refusal = Refusal(18, "AuthenticationFailed", "Authentication failed.");
const NOT_PRIMARY: Refusal = Refusal(10_107, "NotWritablePrimary", "not primary");
const NO_SET: Refusal = Refusal(
    94,
    "NotYetInitialized",
    "no replset config has been received",
);
const NO_MEMBER: Refusal = Refusal(
    93,
    "InvalidReplicaSetConfig",
    "this node is not in the replica set's configuration",
);

type Answer = Result<Document, Refusal>;

impl Mongod {
    /// Does a command.
    pub(super) async fn answer(&self, session: &mut Session, command: Document) -> Document {
        match self.run(session, &command).await {
            Ok(mut answer) => {
                answer.insert("ok", 1.0);
                answer
            }
            Err(Refusal(code, name, message)) => {
                let mut answer =
                    doc! {"ok": 0.0, "code": code, "codeName": name, "errmsg": message};
                if code == NOT_PRIMARY.0 {
                    answer.insert("errorLabels", ["RetryableWriteError"].to_vec());
                }
                answer
            }
        }
    }

    async fn run(&self, session: &mut Session, command: &Document) -> Answer {
        let Some(name) = command.keys().next() else {
            return Err(Refusal(9, "FailedToParse", "no command"));
        };
        match name.as_str() {
            "hello" | "isMaster" | "ismaster" => Ok(self.hello(session, command)),
            "ping" | "endSessions" => Ok(doc! {}),
            "_isSelf" => {
                let empty = self.member().data.hosts.is_empty();
                Ok(doc! {"id": &self.shared.instance, "empty": empty})
            }
            "replSetHeartbeat" => self.heard(command).ok_or(UNAUTHORIZED),
            "saslStart" => self.begin(session, command).ok_or(WRONG_PASSWORD),
            "saslContinue" => prove(session, command).ok_or(WRONG_PASSWORD),
            "replSetInitiate" => self.initiate(session, command).await,
            "replSetGetStatus" => self.status(session),
            "replSetStepDown" => self.step_down(session, command).await,
            "createUser" | "updateUser" => self.user(session, command, name).await,
            "insert" => self.insert(session, command).await,
            "find" => self.find(session, command),
            _ => Err(Refusal(59, "CommandNotFound", "no such command")),
        }
    }

    fn hello(&self, session: &mut Session, command: &Document) -> Document {
        let mut answer = doc! {
            "helloOk": true,
            "maxBsonObjectSize": 16_777_216,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "localTime": DateTime::now(),
            "logicalSessionTimeoutMinutes": 30,
            // Those of MongoDB 8.0.
            "minWireVersion": 0,
            "maxWireVersion": 25,
        };
        let member = self.member();
        let state = member.state();
        let primary = state == Some(State::Primary);
        answer.extend(doc! {
            "isWritablePrimary": primary,
            "ismaster": primary,
            "secondary": state == Some(State::Secondary),
        });
        match (state, member.place) {
            (Some(_), Some(place)) => {
                let data = &member.data;
                answer.extend(doc! {
                    "setName": &self.shared.options.set,
                    "setVersion": 1,
                    "hosts": &data.hosts,
                    "me": &data.hosts[place],
                });
                if let Some(leader) = leader(&member) {
                    answer.insert("primary", &data.hosts[leader]);
                }
            }
            _ => answer.extend(doc! {
                "isreplicaset": true,
                "info": "Does not have a valid replica set config",
            }),
        }
        let asked = command.get_str("saslSupportedMechs").unwrap_or_default();
        let mut users = member.data.users.iter();
        if users.any(|user| asked == format!("admin.{}", user.name)) {
            answer.insert("saslSupportedMechs", ["SCRAM-SHA-256"].to_vec());
        }
        drop(member);
        if let Ok(start) = command.get_document("speculativeAuthenticate")
            && let Some(begun) = self.begin(session, start)
        {
            answer.insert("speculativeAuthenticate", begun);
        }
        answer
    }

    fn begin(&self, session: &mut Session, start: &Document) -> Option<Document> {
        if !says(start, "mechanism", "SCRAM-SHA-256") {
            return None;
        }
        let users = self.member().data.users.clone();
        let find = |name: &str| users.into_iter().find(|user| user.name == name);
        let (conversation, answer) = Conversation::begin(start, find)?;
        session.conversation = Some(conversation);
        Some(answer)
    }

    /// Refuses a caller without a role; one from the server's own machine may do some things while there is no account at
    /// all (<https://www.mongodb.com/docs/manual/core/localhost-exception/>).
    fn check(&self, session: &Session, role: (&str, &str), first: bool) -> Result<(), Refusal> {
        let known = session.user.as_ref().is_some_and(|user| {
            let mut roles = user.roles.iter();
            roles.any(|(name, database)| (name.as_str(), database.as_str()) == role)
        });
        let first = first && session.local && self.member().data.users.is_empty();
        if known || first {
            Ok(())
        } else {
            Err(UNAUTHORIZED)
        }
    }

    async fn initiate(&self, session: &Session, command: &Document) -> Answer {
        self.check(session, CLUSTER, true)?;
        let bad = || Refusal(93, "InvalidReplicaSetConfig", "the configuration is wrong");
        let set = command.get_document("replSetInitiate").map_err(|_| bad())?;
        if !says(set, "_id", &self.shared.options.set) {
            return Err(bad());
        }
        if !self.member().data.hosts.is_empty() {
            return Err(Refusal(23, "AlreadyInitialized", "already initialized"));
        }
        let members = set.get_array("members").map_err(|_| bad())?;
        let hosts: Vec<String> = members
            .iter()
            .filter_map(|member| Some(member.as_document()?.get_str("host").ok()?.to_owned()))
            .collect();
        let place = self.find_myself(&hosts).await.ok_or(NO_MEMBER)?;
        for host in &hosts {
            let Some(answer) = self.ask(host, &doc! {"_isSelf": 1}).await else {
                let message = "replSetInitiate quorum check failed: a member does not answer";
                return Err(Refusal(74, "NodeNotFound", message));
            };
            if !answer.get_bool("empty").unwrap_or_default() {
                let message = "a member has data already, cannot initiate set";
                return Err(Refusal(104, "CannotInitializeNodeWithData", message));
            }
        }
        self.change(|data| {
            data.hosts = hosts;
            data.whole = true;
            data.changes = 1;
        });
        self.member().place = Some(place);
        Ok(doc! {})
    }

    fn status(&self, session: &Session) -> Answer {
        self.check(session, CLUSTER, true)?;
        let member = self.member();
        let state = member.state().ok_or(NO_SET)?;
        let place = member.place.ok_or(NO_MEMBER)?;
        // A change is as good as a second.
        let time = |changes: i64| DateTime::from_millis(changes * 1000);
        let one = |id: usize, host: &String| {
            let name = doc! {"_id": id as i64, "name": host};
            let rest = if id == place {
                doc! {"health": 1.0, "state": state as i32, "optimeDate": time(member.data.changes), "self": true}
            } else if let Some((_, beat)) = member.heard.get(&id) {
                doc! {"health": 1.0, "state": beat.state as i32, "optimeDate": time(beat.changes)}
            } else {
                doc! {"health": 0.0, "state": 8, "stateStr": "(not reachable/healthy)"}
            };
            name.into_iter().chain(rest).collect::<Document>()
        };
        let hosts = member.data.hosts.iter().enumerate();
        let members: Vec<Document> = hosts.map(|(id, host)| one(id, host)).collect();
        Ok(doc! {
            "set": &self.shared.options.set,
            "myState": state as i32,
            "term": member.data.term,
            "members": members,
        })
    }

    async fn step_down(&self, session: &Session, command: &Document) -> Answer {
        self.check(session, CLUSTER, false)?;
        let seconds = |name: &str| {
            let seconds = command.get_i32(name).unwrap_or(10);
            Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        };
        let until = Instant::now() + seconds("secondaryCatchUpPeriodSecs");
        loop {
            {
                let mut member = self.member();
                if !member.primary {
                    return Err(NOT_PRIMARY);
                }
                let mut heard = member.heard.values();
                if heard.any(|(_, beat)| beat.stands && beat.changes == member.data.changes) {
                    member.primary = false;
                    member.stands_back_until = Some(Instant::now() + seconds("replSetStepDown"));
                    return Ok(doc! {});
                }
            }
            if Instant::now() > until {
                let message = "No electable secondaries caught up";
                return Err(Refusal(50, "ExceededTimeLimit", message));
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    async fn user(&self, session: &Session, command: &Document, name: &str) -> Answer {
        let new = name == "createUser";
        if !says(command, "$db", "admin") {
            return Err(UNAUTHORIZED);
        }
        self.check(session, ("userAdminAnyDatabase", "admin"), new)?;
        let text = |field: &str| command.get_str(field).unwrap_or_default().to_owned();
        let roles = command.get_array("roles").cloned().unwrap_or_default();
        let user = User {
            name: text(name),
            credential: Credential::new(&text("pwd")),
            roles: roles
                .iter()
                .filter_map(Bson::as_document)
                .filter_map(|role| {
                    let text = |field: &str| Some(role.get_str(field).ok()?.to_owned());
                    Some((text("role")?, text("db")?))
                })
                .collect(),
        };
        let mut users = self.primary()?.data.users.clone();
        let known = users.iter().position(|other| other.name == user.name);
        match known {
            Some(_) if new => return Err(Refusal(51_003, "Location51003", "already exists")),
            Some(place) => users[place] = user,
            None if new => users.push(user),
            None => return Err(Refusal(11, "UserNotFound", "no such user")),
        }
        self.write(|data| data.users = users).await
    }

    async fn insert(&self, session: &Session, command: &Document) -> Answer {
        let database = command.get_str("$db").unwrap_or_default();
        self.check(session, ("readWrite", database), false)?;
        let collection = command.get_str("insert").unwrap_or_default();
        let documents = command.get_array("documents").cloned().unwrap_or_default();
        let stored: Vec<Stored> = documents
            .iter()
            .filter_map(Bson::as_document)
            .map(|document| Stored {
                database: database.to_owned(),
                collection: collection.to_owned(),
                document: document.clone(),
            })
            .collect();
        let count = stored.len() as i64;
        drop(self.primary()?);
        self.write(|data| data.documents.extend(stored)).await?;
        Ok(doc! {"n": count})
    }

    fn find(&self, session: &Session, command: &Document) -> Answer {
        let database = command.get_str("$db").unwrap_or_default();
        self.check(session, ("readWrite", database), false)?;
        let collection = command.get_str("find").unwrap_or_default();
        let member = self.primary()?;
        let found: Vec<Document> = member
            .data
            .documents
            .iter()
            .filter(|stored| stored.database == database && stored.collection == collection)
            .map(|stored| stored.document.clone())
            .collect();
        let namespace = format!("{database}.{collection}");
        Ok(doc! {"cursor": {"id": 0i64, "ns": namespace, "firstBatch": found}})
    }

    fn primary(&self) -> Result<std::sync::MutexGuard<'_, Member>, Refusal> {
        let member = self.member();
        if member.primary {
            Ok(member)
        } else {
            Err(NOT_PRIMARY)
        }
    }

    /// Writes, and waits until a majority has it.
    async fn write(&self, change: impl FnOnce(&mut super::Data)) -> Answer {
        let mut wanted = 0;
        self.change(|data| {
            change(data);
            data.changes += 1;
            wanted = data.changes;
        });
        let until = Instant::now() + MAJORITY;
        loop {
            {
                let member = self.primary()?;
                let heard = member.heard.values();
                let have = heard.filter(|(_, beat)| beat.changes >= wanted).count() + 1;
                if have > member.data.hosts.len() / 2 {
                    return Ok(doc! {});
                }
            }
            if Instant::now() > until {
                return Err(Refusal(64, "WriteConcernFailed", "no majority has it"));
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}

const CLUSTER: (&str, &str) = ("clusterAdmin", "admin");

fn prove(session: &mut Session, proof: &Document) -> Option<Document> {
    let (user, answer) = session.conversation.take()?.prove(proof)?;
    session.user = Some(user);
    Some(answer)
}

/// The place of the member that is primary, as this one knows.
fn leader(member: &Member) -> Option<usize> {
    if member.primary {
        return member.place;
    }
    let mut heard = member.heard.iter();
    heard.find_map(|(id, (_, beat))| (beat.state == State::Primary).then_some(*id))
}
