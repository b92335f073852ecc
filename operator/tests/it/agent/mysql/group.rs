//! A MySQL group of three agents.

use std::ops::{Deref, DerefMut};

use chatbot_contract::{identity, mysql, ports};
use chatbot_operator::mysql::facts::{MemberFacts, MemberState};
use chatbot_operator::mysql::intent::Intent;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::agent::ground::{Ground, TOKEN};

const ROOT: &str = "CHATBOT_TEST_MYSQLD_ROOT";
const GROUP: &str = "11111111-2222-4333-8444-555555555555";
/// Longer than MySQL takes for members, as the operator's own passwords are.
const PASSWORD: &str = "0123456789abcdefghijklmnopqrstuvwxyz'\\0123456789";

pub(super) struct Group(Ground);

impl Deref for Group {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.0
    }
}

impl DerefMut for Group {
    fn deref_mut(&mut self) -> &mut Ground {
        &mut self.0
    }
}

impl Group {
    /// Starts the agents of three members on empty volumes, and waits until each tells of its server.
    pub(super) async fn start() -> Self {
        let mut values = vec![
            (identity::MYSQL_GROUP_ID.to_owned(), GROUP),
            (identity::MYSQL_AGENT_TOKEN.to_owned(), TOKEN),
        ];
        let passwords = mysql::ACCOUNTS.map(identity::mysql_password);
        values.extend(passwords.map(|key| (key, PASSWORD)));
        let mut group = Self(Ground::new(ROOT, &values));
        for member in 0..3 {
            group.start_member(member);
        }
        for member in 0..3 {
            group
                .until("its server answers", async || {
                    group
                        .facts(member)
                        .await
                        .is_some_and(|facts| facts.server.is_some())
                })
                .await;
        }
        group
    }

    pub(super) fn start_member(&mut self, member: usize) {
        let address = self.address(member).to_string();
        let intent = self.inside.join("intent.json").display().to_string();
        let (name, peers) = (format!("m-{member}"), self.addresses());
        let arguments = [
            "--member",
            &name,
            "--address",
            &address,
            "--host",
            &address,
            "--peers",
            &peers,
            "--intent-file",
            &intent,
        ];
        self.0.start(member, "mysql-agent", &arguments);
    }

    /// Orders a member to make the group.
    pub(super) async fn order(&self, epoch: u64, member: usize) {
        let server = self.facts(member).await.unwrap().server.unwrap();
        let intent = Intent {
            epoch,
            member: format!("m-{member}"),
            server_id: server.server_id,
            reason: "a test".to_owned(),
        };
        let new = self.folder.join("intent.new");
        std::fs::write(&new, serde_json::to_vec(&intent).unwrap()).unwrap();
        std::fs::rename(new, self.folder.join("intent.json")).unwrap();
    }

    /// What an agent tells.
    pub(super) async fn facts(&self, member: usize) -> Option<MemberFacts> {
        self.0.facts(member, ports::MYSQL_AGENT).await
    }

    /// The member that calls itself primary.
    pub(super) async fn primary(&self) -> Option<usize> {
        for member in 0..3 {
            let server = self.facts(member).await.and_then(|facts| facts.server);
            if server.is_some_and(|server| server.is_primary()) {
                return Some(member);
            }
        }
        None
    }

    /// Waits until all three are online in the view of each.
    pub(super) async fn whole(&self) {
        self.until("all members are online", async || {
            for member in 0..3 {
                let Some(server) = self.facts(member).await.and_then(|facts| facts.server) else {
                    return false;
                };
                let online = server
                    .view
                    .iter()
                    .filter(|seen| seen.state == MemberState::Online);
                if online.count() != 3 {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Runs a statement at a member as the administrator.
    pub(super) async fn execute(&self, member: usize, statement: &str) -> Result<(), sqlx::Error> {
        let mut connection = self.connect(member).await?;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut connection)
            .await
            .map(|_| ())
    }

    /// Counts rows at a member.
    pub(super) async fn count(&self, member: usize, table: &str) -> Result<i64, sqlx::Error> {
        let mut connection = self.connect(member).await?;
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(&mut connection)
            .await
    }

    async fn connect(&self, member: usize) -> Result<MySqlConnection, sqlx::Error> {
        MySqlConnectOptions::new()
            .host(&self.address(member).to_string())
            .username(mysql::ADMIN_ACCOUNT)
            .password(PASSWORD)
            .ssl_mode(MySqlSslMode::Required)
            .connect()
            .await
    }

    /// Names in a member's volume.
    pub(super) fn volume(&self, member: usize) -> Vec<String> {
        std::fs::read_dir(self.own(member).join("volume"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}
