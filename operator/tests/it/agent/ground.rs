//! Three agents with real servers on one machine, each like in a pod of its own: process and network
//! namespaces, the engine's root filesystem, user 999. Needs root, as every test that runs an engine.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chatbot_operator::agent::FACTS;
use serde::de::DeserializeOwned;

pub(super) const TOKEN: &str = "token";
/// Nothing here takes so long, unless it never happens.
const LIMIT: Duration = Duration::from_secs(180);
const USER: u32 = 999;

/// The machines of three members.
pub(super) struct Ground {
    root: PathBuf,
    /// Folder of this test, as the programs see it.
    pub(super) inside: PathBuf,
    /// The same folder, as we see it.
    pub(super) folder: PathBuf,
    /// Tells this one from others on the machine.
    name: String,
    network: u8,
    members: Vec<Option<Child>>,
    client: reqwest::Client,
}

impl Ground {
    /// Makes the machines, with the root filesystem that a variable names, the files of the identity, and an empty
    /// volume each.
    pub(super) fn new(variable: &str, identity: &[(String, &str)]) -> Self {
        let root = PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| {
            panic!("{variable} is not set: it names the folder of a root filesystem with the engine (`make test-fast` sets it)")
        }));
        Self::at(root, identity)
    }

    /// The same, with this root filesystem.
    pub(super) fn at(root: PathBuf, identity: &[(String, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        static TURN: AtomicU32 = AtomicU32::new(0);
        let (process, turn) = (std::process::id(), TURN.fetch_add(1, Ordering::Relaxed));
        let name = format!("{process}x{turn}");
        let inside = PathBuf::from(format!("/tmp/agent-test-{name}"));
        let ground = Self {
            folder: root.join(inside.strip_prefix("/").unwrap()),
            root,
            inside,
            name,
            network: 64 + u8::try_from((process + turn) % 48).unwrap(),
            members: vec![None, None, None],
            client: reqwest::Client::builder()
                .tls_certs_only([])
                .build()
                .unwrap(),
        };
        ground.prepare(identity);
        ground
    }

    fn prepare(&self, identity: &[(String, &str)]) {
        let folder = self.folder.join("identity");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(
            env!("CARGO_BIN_EXE_chatbot-operator"),
            self.folder.join("agent"),
        )
        .unwrap();
        for (key, value) in identity {
            std::fs::write(folder.join(key), value).unwrap();
        }
        let bridge = self.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"]);
        let host = format!("{}/24", self.address(200));
        ip(&["addr", "add", &host, "dev", &bridge]);
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
                std::fs::create_dir_all(self.own(member).join(part)).unwrap();
            }
        }
        self.give_away();
    }

    /// Gives every file to the engine's user.
    fn give_away(&self) {
        let owner = format!("{USER}:{USER}");
        run("chown", &["-R", &owner, &self.folder.to_string_lossy()]);
    }

    /// Starts the agent of a member as the first process of a container, with these arguments after those that
    /// name its folders.
    pub(super) fn start(&mut self, member: usize, subcommand: &str, arguments: &[&str]) {
        let root = self.root.display();
        let inside = self.inside.display();
        let own = format!("{inside}/{member}");
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
            .arg(subcommand)
            .args(["--volume", &format!("{own}/volume")])
            .args(["--runtime", &format!("{own}/runtime")])
            .args(["--identity", &format!("{inside}/identity")])
            .args(arguments)
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

    /// Takes everything from a member's volume.
    pub(super) fn empty_volume(&self, member: usize) {
        let volume = self.own(member).join("volume");
        std::fs::remove_dir_all(&volume).unwrap();
        std::fs::create_dir(&volume).unwrap();
        self.give_away();
    }

    /// What an agent tells.
    pub(super) async fn facts<F: DeserializeOwned>(&self, member: usize, port: u16) -> Option<F> {
        let url = format!("http://{}:{port}{FACTS}", self.address(member));
        let asked = self
            .client
            .get(url)
            .bearer_auth(TOKEN)
            .timeout(Duration::from_secs(2));
        let answer = asked.send().await.ok()?.error_for_status().ok()?;
        answer.json().await.ok()
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

    /// A member's address.
    pub(super) fn address(&self, member: usize) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.network, 1 + u8::try_from(member).unwrap())
    }

    /// All addresses, separated by commas.
    pub(super) fn addresses(&self) -> String {
        let all: Vec<String> = (0..3).map(|peer| self.address(peer).to_string()).collect();
        all.join(",")
    }

    /// A member's folder.
    pub(super) fn own(&self, member: usize) -> PathBuf {
        self.folder.join(member.to_string())
    }

    fn bridge(&self) -> String {
        format!("ag{}", self.name)
    }

    fn space(&self, member: usize) -> String {
        format!("agent-test-{}-{member}", self.name)
    }

    fn log(&self, member: usize) -> PathBuf {
        self.own(member).join("log")
    }
}

impl Drop for Ground {
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
