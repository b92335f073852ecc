//! The MongoDB agent, with the stand-in for MongoDB's server: a replica set of empty volumes, primaries that go, lost
//! volumes that are filled again, and accounts.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use chatbot_contract::{documents, identity, ports};
use chatbot_operator::agent::Told as _;
use chatbot_operator::documents::mongo::facts::{MemberFacts, State};
use futures::TryStreamExt as _;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, Credential, ServerAddress};
use tempfile::TempDir;

use super::ground::{Ground, TOKEN};

const PASSWORD: &str = "0123456789abcdef";
const ADMIN: &str = "fedcba9876543210";
/// A command may wait for another primary.
const LIMIT: Duration = Duration::from_secs(60);

struct Members {
    ground: Ground,
    _root: TempDir,
}

impl Deref for Members {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Ground {
        &mut self.ground
    }
}

/// A root filesystem with the stand-in under the name of MongoDB's server.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in ["", "proc", "dev", "tmp", "etc"] {
        let path = root.path().join(folder);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Members are named by their addresses: nobody is asked.
    std::fs::write(
        root.path().join("etc/resolv.conf"),
        "nameserver 127.0.0.1\n",
    )
    .unwrap();
    let operator = Path::new(env!("CARGO_BIN_EXE_chatbot-operator"));
    let program = operator.with_file_name("mongod-stand-in");
    assert!(
        program.exists(),
        "{} is not built: name the whole workspace (`cargo nextest run --workspace`)",
        program.display()
    );
    std::fs::copy(program, root.path().join("mongod")).unwrap();
    root
}

impl Members {
    fn new() -> Self {
        let root = root();
        let identity = [
            (identity::DOCUMENTS_AGENT_TOKEN, TOKEN),
            (
                identity::DOCUMENTS_MEMBER_KEY,
                "00112233445566778899aabbccddeeff",
            ),
            (identity::DOCUMENTS_ADMIN_PASSWORD, ADMIN),
            (identity::DOCUMENTS_PASSWORD, PASSWORD),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        Self {
            ground: Ground::at(root.path().to_owned(), &identity),
            _root: root,
        }
    }

    /// Starts three agents on empty volumes, and waits until all are in step.
    async fn start() -> Self {
        let mut members = Self::new();
        for member in 0..3 {
            members.start_member(member);
        }
        members.whole().await;
        members
    }

    fn start_member(&mut self, member: usize) {
        let (own, all) = (self.address(member).to_string(), self.addresses());
        let arguments = [
            "--member",
            &own,
            "--members",
            &all,
            "--memory",
            "600000000",
            "--mongod",
            "/mongod",
        ];
        self.ground.start(member, "mongo-agent", &arguments);
    }

    async fn facts(&self, member: usize) -> Option<MemberFacts> {
        self.ground.facts(member, ports::DOCUMENTS_AGENT).await
    }

    /// Waits until all are in step, and gives the primary.
    async fn whole(&self) -> usize {
        self.until("all members are in step", async || {
            for member in 0..3 {
                if !self
                    .facts(member)
                    .await
                    .is_some_and(|facts| facts.in_step())
                {
                    return false;
                }
            }
            self.primary().await.is_some()
        })
        .await;
        self.primary().await.unwrap()
    }

    async fn primary(&self) -> Option<usize> {
        for member in 0..3 {
            if self
                .facts(member)
                .await
                .is_some_and(|facts| facts.is_primary())
            {
                return Some(member);
            }
        }
        None
    }

    fn client(&self, user: &str, password: &str) -> Client {
        let hosts = (0..3).map(|member| ServerAddress::Tcp {
            host: self.address(member).to_string(),
            port: Some(ports::DOCUMENTS),
        });
        let credential = Credential::builder()
            .username(user.to_owned())
            .password(password.to_owned())
            .source("admin".to_owned())
            .build();
        let options = ClientOptions::builder()
            .hosts(hosts.collect::<Vec<_>>())
            .repl_set_name(documents::REPLICA_SET.to_owned())
            .credential(credential)
            .server_selection_timeout(LIMIT)
            .build();
        Client::with_options(options).unwrap()
    }

    fn database(&self) -> mongodb::Database {
        let client = self.client(documents::WORKLOAD_ACCOUNT, PASSWORD);
        client.database(documents::DATABASE)
    }

    /// Writes a document that a majority has when this returns.
    async fn write(&self, text: &str) {
        let collection = self.database().collection::<Document>("test");
        self.until("a write is taken", async || {
            collection.insert_one(doc! {"_id": text}).await.is_ok()
        })
        .await;
    }

    /// Everything that was written.
    async fn read(&self) -> BTreeSet<String> {
        let collection = self.database().collection::<Document>("test");
        let found = collection.find(doc! {}).await.unwrap();
        let all: Vec<Document> = found.try_collect().await.unwrap();
        all.iter()
            .map(|document| document.get_str("_id").unwrap().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_outlives_killed_members_and_lost_volumes() {
    let mut members = Members::start().await;
    let mut written = BTreeSet::new();
    members.write("first").await;
    written.insert("first".to_owned());

    // The primary is killed, then a secondary; each comes back.
    let primary = members.whole().await;
    for (member, text) in [(primary, "no primary"), ((primary + 1) % 3, "one less")] {
        members.kill(member);
        members.write(text).await;
        written.insert(text.to_owned());
        members.start_member(member);
        members.whole().await;
    }

    // A secondary, and then the primary, are back on empty volumes.
    for lost in [(members.whole().await + 1) % 3, members.whole().await] {
        members.kill(lost);
        members.empty_volume(lost);
        let text = format!("without {lost}");
        members.write(&text).await;
        written.insert(text);
        members.start_member(lost);
        members.whole().await;
    }

    // All are killed at once.
    for member in 0..3 {
        members.kill(member);
    }
    for member in 0..3 {
        members.start_member(member);
    }
    members.whole().await;
    assert_eq!(members.read().await, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lost_its_volume_makes_no_set_of_its_own() {
    let mut members = Members::start().await;
    members.write("kept").await;
    for member in 0..3 {
        members.kill(member);
    }
    // The first, which makes sets, remembers nothing, and neither does the second; the third may.
    members.empty_volume(0);
    members.empty_volume(1);
    members.start_member(0);
    members.start_member(1);
    members
        .until("the first waits for the third", async || {
            let facts = members.facts(0).await.unwrap_or_default();
            facts.initiated == Some(false)
                && facts
                    .problem
                    .is_some_and(|text| text.contains("not every member"))
        })
        .await;
    members.start_member(2);
    members.whole().await;
    assert_eq!(members.read().await, BTreeSet::from(["kept".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_told_to_stop_hands_over_first() {
    let mut members = Members::start().await;
    let primary = members.whole().await;
    members.signal(primary, "TERM");
    members.ended(primary);
    let log = std::fs::read_to_string(members.own(primary).join("log")).unwrap();
    assert!(log.contains("handed the primary over"), "{log}");
    members.write("after").await;
    members.start_member(primary);
    let next = members.whole().await;
    assert_ne!(next, primary);
    let facts = members.facts(primary).await.unwrap();
    assert_eq!(facts.state(), Some(State::Secondary));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_is_started_again() {
    let members = Members::start().await;
    let primary = members.whole().await;
    let folder = members.own(primary).join("runtime/mongod.conf");
    let server = process_with(&folder.to_string_lossy());
    std::process::Command::new("kill")
        .args(["-KILL", &server])
        .status()
        .unwrap();
    members
        .until("the agent saw the end", async || {
            members
                .facts(primary)
                .await
                .is_some_and(|facts| facts.crashes == 1)
        })
        .await;
    members.whole().await;
}

/// The process of the server that was started with this configuration file, as its agent names it.
fn process_with(file: &str) -> String {
    let inside = &file[file.find("/tmp/agent-test").unwrap()..];
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        if words.first() == Some(&&b"/mongod"[..]) && words.contains(&inside.as_bytes()) {
            return path.file_name().unwrap().to_string_lossy().into_owned();
        }
    }
    panic!("no server runs with {inside}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workloads_may_use_their_own_database_and_nothing_else() {
    let members = Members::start().await;
    members.write("own").await;
    let workload = members.client(documents::WORKLOAD_ACCOUNT, PASSWORD);
    let elsewhere = workload
        .database("elsewhere")
        .collection::<Document>("test");
    assert!(elsewhere.insert_one(doc! {"_id": 1}).await.is_err());
    let admin = workload.database("admin");
    for command in [
        doc! {"replSetStepDown": 1},
        doc! {"createUser": "another", "pwd": "x", "roles": []},
    ] {
        assert!(admin.run_command(command).await.is_err());
    }
    for (user, password) in [(documents::WORKLOAD_ACCOUNT, "wrong"), ("nobody", PASSWORD)] {
        let database = members.client(user, password).database("admin");
        assert!(database.run_command(doc! {"ping": 1}).await.is_err());
    }
    let agents = members
        .client(documents::ADMIN_ACCOUNT, ADMIN)
        .database("admin");
    agents
        .run_command(doc! {"replSetGetStatus": 1})
        .await
        .unwrap();
}
