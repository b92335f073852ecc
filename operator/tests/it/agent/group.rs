//! Three agents with real servers on one machine, each like in a pod of its own: process and network
//! namespaces, the engine's root filesystem, user 999. Needs root, as every test that runs MySQL.

use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chatbot_contract::{identity, mysql, ports};
use chatbot_operator::mysql::facts::{self, MemberFacts, MemberState};
use chatbot_operator::mysql::intent::Intent;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

const ROOT: &str = "CHATBOT_TEST_MYSQLD_ROOT";
const GROUP: &str = "11111111-2222-4333-8444-555555555555";
const TOKEN: &str = "token";
/// Longer than MySQL takes for members, as the operator's own passwords are.
const PASSWORD: &str = "0123456789abcdefghijklmnopqrstuvwxyz'\\0123456789";
/// Nothing here takes so long, unless it never happens.
const LIMIT: Duration = Duration::from_secs(180);
const USER: u32 = 999;

pub(super) struct Group {
    root: PathBuf,
    /// Folder of this test, as the programs see it and as we do.
    inside: PathBuf,
    folder: PathBuf,
    /// Tells this group from others on the machine.
    name: String,
    network: u8,
    members: Vec<Option<Child>>,
    client: reqwest::Client,
}

impl Group {
    /// Starts the agents of three members on empty volumes, and waits until each tells of its server.
    pub(super) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = PathBuf::from(std::env::var_os(ROOT).unwrap_or_else(|| {
            panic!("{ROOT} is not set: it names the folder of a root filesystem with MySQL 9.7 (`make test-fast` sets it)")
        }));
        static TURN: AtomicU32 = AtomicU32::new(0);
        let (process, turn) = (std::process::id(), TURN.fetch_add(1, Ordering::Relaxed));
        let name = format!("{process}x{turn}");
        let network = 64 + u8::try_from((process + turn) % 48).unwrap();
        let inside = PathBuf::from(format!("/tmp/agent-test-{name}"));
        let folder = root.join(inside.strip_prefix("/").unwrap());
        let mut group = Self {
            root,
            inside,
            folder,
            name,
            network,
            members: vec![None, None, None],
            client: reqwest::Client::builder()
                .tls_certs_only([])
                .build()
                .unwrap(),
        };
        group.prepare();
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

    fn prepare(&self) {
        let identity = self.folder.join("identity");
        std::fs::create_dir_all(&identity).unwrap();
        std::fs::copy(
            env!("CARGO_BIN_EXE_chatbot-operator"),
            self.folder.join("agent"),
        )
        .unwrap();
        let write = |key: &str, value: &str| std::fs::write(identity.join(key), value).unwrap();
        write(identity::MYSQL_GROUP_ID, GROUP);
        write(identity::MYSQL_AGENT_TOKEN, TOKEN);
        for account in mysql::ACCOUNTS {
            write(&identity::mysql_password(account), PASSWORD);
        }
        let bridge = self.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&[
            "addr",
            "add",
            &format!("{}/24", self.address(200)),
            "dev",
            &bridge,
        ]);
        ip(&["link", "set", &bridge, "up"]);
        for member in 0..3 {
            let (space, outer) = (self.space(member), format!("{bridge}v{member}"));
            let address = format!("{}/24", self.address(member));
            ip(&["netns", "add", &space]);
            ip(&[
                "link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &space,
            ]);
            ip(&["link", "set", &outer, "master", &bridge, "up"]);
            ip(&["-n", &space, "addr", "add", &address, "dev", "eth0"]);
            ip(&["-n", &space, "link", "set", "eth0", "up"]);
            ip(&["-n", &space, "link", "set", "lo", "up"]);
            for part in ["volume", "runtime"] {
                std::fs::create_dir_all(self.folder.join(member.to_string()).join(part)).unwrap();
            }
        }
        let owner = format!("{USER}:{USER}");
        run("chown", &["-R", &owner, &self.folder.to_string_lossy()]);
    }

    /// Starts the agent of a member as the first process of a container.
    pub(super) fn start_member(&mut self, member: usize) {
        let root = self.root.display();
        let inside = self.inside.display();
        let own = format!("{inside}/{member}");
        let address = self.address(member).to_string();
        let peers: Vec<String> = (0..3).map(|peer| self.address(peer).to_string()).collect();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log(member))
            .unwrap();
        let child = Command::new("unshare")
            .args(["--pid", "--mount", "--fork", "--kill-child", "sh", "-c"])
            .arg(format!(
                "mount -t proc proc {root}/proc && mount --bind /dev {root}/dev && exec \"$@\""
            ))
            .args(["sh", "nsenter"])
            .arg(format!("--net=/run/netns/{}", self.space(member)))
            .args(["chroot", &format!("--userspec={USER}:{USER}")])
            .arg(&self.root)
            .arg(format!("{inside}/agent"))
            .args(["mysql-agent", "run", "--member", &format!("m-{member}")])
            .args(["--address", &address, "--host", &address])
            .args(["--peers", &peers.join(",")])
            .args(["--intent-file", &format!("{inside}/intent.json")])
            .args(["--volume", &format!("{own}/volume")])
            .args(["--runtime", &format!("{own}/runtime")])
            .args(["--identity", &format!("{inside}/identity")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.members[member] = Some(child);
    }

    /// Kills the agent and with it its whole container, and waits for the end.
    pub(super) fn kill(&mut self, member: usize) {
        self.signal(member, "KILL");
        self.ended(member);
    }

    /// Sends a signal to the agent.
    pub(super) fn signal(&self, member: usize, signal: &str) {
        if let Some(agent) = self.members[member]
            .as_ref()
            .and_then(|child| first_child(child.id()))
        {
            run("kill", &["-s", signal, &agent.to_string()]);
        }
    }

    /// Waits for the end of an agent that was told to stop.
    pub(super) fn ended(&mut self, member: usize) {
        if let Some(mut child) = self.members[member].take() {
            child.wait().unwrap();
        }
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
        let url = format!(
            "http://{}:{}{}",
            self.address(member),
            ports::MYSQL_AGENT,
            facts::PATH
        );
        let asked = self
            .client
            .get(url)
            .bearer_auth(TOKEN)
            .timeout(Duration::from_secs(2));
        asked
            .send()
            .await
            .ok()?
            .error_for_status()
            .ok()?
            .json()
            .await
            .ok()
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
        std::fs::read_dir(self.folder.join(member.to_string()).join("volume"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Waits until something is so; when it never is, the ends of all logs are shown.
    pub(super) async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let wait = async {
            while !is_so().await {
                // There is nothing to be told by: the agents are asked again.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(LIMIT, wait).await.is_err() {
            let logs: Vec<String> = (0..3).map(|member| end(&self.log(member))).collect();
            panic!("never happened: {what}\n{}", logs.join("\n----\n"));
        }
    }

    fn address(&self, member: usize) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.network, 1 + u8::try_from(member).unwrap())
    }

    fn bridge(&self) -> String {
        format!("ag{}", self.name)
    }

    fn space(&self, member: usize) -> String {
        format!("agent-test-{}-{member}", self.name)
    }

    fn log(&self, member: usize) -> PathBuf {
        self.folder.join(member.to_string()).join("log")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for member in 0..3 {
            if self.members[member].is_some() {
                self.kill(member);
            }
            let _ = Command::new("ip")
                .args(["netns", "del", &self.space(member)])
                .status();
        }
        let _ = Command::new("ip")
            .args(["link", "del", &self.bridge()])
            .status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ip(arguments: &[&str]) {
    run("ip", arguments);
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

fn first_child(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn end(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
