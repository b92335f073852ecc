//! The process of one node and its data folder.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Error, PASSWORD, STRANGER, USER};
use crate::certificates::Certificate;
use crate::guard::{free_port, tail};

/// Folder of all that is made here, inside the root filesystem.
const HOME: &str = "tmp/chatbot-testkit";

/// Names the formatted data folder; it changes with what stands in it.
const TEMPLATE: &str = "template-1";

/// The formatted folder's own name: every node is the only one of its cluster.
const CLUSTER: &str = "Y2hhdGJvdC10ZXN0a2l0MQ";

/// Runs Java inside the root filesystem, which is given as its first argument. The mounts are seen
/// by nobody else, and end with the process.
const IN_ROOT: &str = r#"mount --bind /proc "$1/proc" && mount --bind /dev "$1/dev" || exit
    root=$1; shift; exec chroot "$root" /usr/bin/java "$@""#;

/// Runs its arguments, says their process id, and kills them when its input ends: that happens when
/// the test lets go of it, and also when the test's process is gone, however it went.
const GUARD: &str = r#"exec 3<&0; log=$1; shift; "$@" <&- >>"$log" 2>&1 & server=$!; echo $server; exec >&-
    { read -r _ <&3; kill -KILL $server; } & reader=$!
    wait $server; kill $reader 2>&-"#;

/// What a test node can do without: memory, and time to compile.
const JAVA: [&str; 6] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-cp",
    "/opt/kafka/libs/*",
];

/// The process of a node.
pub(super) struct Node {
    pub(super) port: u16,
    pub(super) tls_port: Option<u16>,
    root: PathBuf,
    name: String,
    guard: Mutex<Option<Child>>,
}

impl Node {
    /// Starts a node on a copy of the formatted data folder.
    pub(super) async fn start(
        root: PathBuf,
        certificate: Option<&Certificate>,
    ) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let home = root.join(HOME);
        prepare_template(&root, &home).await?;
        remove_what_the_dead_left(&home);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("run-{}-{number}", std::process::id());
        let failed = |source| Error::Run("Kafka", source);
        let mut copy = tokio::process::Command::new("cp");
        copy.arg("-a")
            .arg(home.join(TEMPLATE))
            .arg(home.join(&name));
        copy.output().await.map_err(failed)?;
        let (port, controller) = (free_port().map_err(failed)?, free_port().map_err(failed)?);
        let tls_port = certificate
            .map(|_| free_port())
            .transpose()
            .map_err(failed)?;
        let inside = format!("/{HOME}/{name}");
        if let Some(Certificate { certificate, key }) = certificate {
            let pem = format!("{key}{certificate}");
            std::fs::write(home.join(&name).join("tls.pem"), pem).map_err(failed)?;
        }
        let settings = settings(&inside, port, controller, tls_port);
        std::fs::write(home.join(&name).join("settings"), settings).map_err(failed)?;
        let node = Self {
            port,
            tls_port,
            root,
            name,
            guard: Mutex::new(None),
        };
        node.spawn()?;
        Ok(node)
    }

    /// Runs the process; the one before must have ended.
    pub(super) fn spawn(&self) -> Result<(), Error> {
        let failed = |source| Error::Run("Kafka", source);
        let java = in_root(&self.root);
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD, "guard"])
            .arg(self.folder().join("log"))
            .arg(java.get_program())
            .args(java.get_args())
            .arg("kafka.Kafka")
            .arg(format!("/{HOME}/{}/settings", self.name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut guard = guard.spawn().map_err(failed)?;
        // Its first line says that the process runs.
        if let Some(output) = guard.stdout.take() {
            BufReader::new(output)
                .read_line(&mut String::new())
                .map_err(failed)?;
        }
        *self.lock() = Some(guard);
        Ok(())
    }

    /// Whether the process is gone.
    pub(super) fn ended(&self) -> bool {
        self.lock()
            .as_mut()
            .is_none_or(|guard| !matches!(guard.try_wait(), Ok(None)))
    }

    /// The end of what it wrote.
    pub(super) fn log(&self) -> String {
        tail(&std::fs::read_to_string(self.folder().join("log")).unwrap_or_default())
    }

    /// Kills the process and waits for its end.
    pub(super) fn stop(&self) {
        if let Some(mut guard) = self.lock().take() {
            drop(guard.stdin.take());
            // It can only fail because the guard was waited for before.
            let _ = guard.wait();
        }
    }

    fn folder(&self) -> PathBuf {
        self.root.join(HOME).join(&self.name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
        // What stays is removed by the next process that starts a node.
        let _ = std::fs::remove_dir_all(self.folder());
    }
}

fn in_root(root: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", IN_ROOT, "in-root"])
        .arg(root)
        .args(JAVA);
    command
}

fn settings(folder: &str, port: u16, controller: u16, tls_port: Option<u16>) -> String {
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required";
    let tls = tls_port.map_or_else(Default::default, |port| {
        let settings = format!(
            "listener.name.tls.scram-sha-512.sasl.jaas.config={login};\n\
             listener.name.tls.ssl.keystore.type=PEM\n\
             listener.name.tls.ssl.keystore.location={folder}/tls.pem\n"
        );
        (format!(",TLS://127.0.0.1:{port}"), settings)
    });
    let (listener, tls_settings): (String, String) = tls;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         log.dirs={folder}/data\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}\n\
         advertised.listeners=CLIENT://127.0.0.1:{port}{listener}\n\
         listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SASL_SSL\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=CLIENT\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512\n\
         listener.name.client.scram-sha-512.sasl.jaas.config={login} username=\"{USER}\" password=\"{PASSWORD}\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:{USER};User:ANONYMOUS\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         {tls_settings}"
    )
}

/// Formats the data folder that every node's is a copy of, unless it is there.
async fn prepare_template(root: &Path, home: &Path) -> Result<(), Error> {
    let template = home.join(TEMPLATE);
    if template.exists() {
        return Ok(());
    }
    let failed = |source| Error::Run("Kafka", source);
    // Other processes may do the same at this moment: the first rename wins.
    let name = format!("init-{}-0", std::process::id());
    let made = home.join(&name);
    std::fs::create_dir_all(&made).map_err(failed)?;
    // Ports are not part of what is formatted.
    let settings = settings(&format!("/{HOME}/{name}"), 1, 2, None);
    std::fs::write(made.join("settings"), settings).map_err(failed)?;
    let mut format = tokio::process::Command::from(in_root(root));
    format
        .args(["kafka.tools.StorageTool", "format"])
        .args(["--cluster-id", CLUSTER])
        .args(["--config", &format!("/{HOME}/{name}/settings")]);
    for user in [USER, STRANGER] {
        format.args([
            "--add-scram",
            &format!("SCRAM-SHA-512=[name={user},password={PASSWORD}]"),
        ]);
    }
    let output = format.output().await.map_err(failed)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(Error::Format(tail(&String::from_utf8_lossy(&said))));
    }
    match std::fs::rename(&made, &template) {
        Err(source) if !template.exists() => Err(failed(source)),
        _ => Ok(()),
    }
}

/// Removes folders whose process is gone: their names hold its id.
fn remove_what_the_dead_left(home: &Path) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .filter(|name| *name != TEMPLATE)
            .and_then(|name| name.split('-').nth(1)?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // What cannot be removed now is tried again by the next process.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
