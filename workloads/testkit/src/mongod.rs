//! The stand-in for MongoDB's server: what a replica set says and refuses, as MongoDB's manual has it.
//!
//! It is for the operator's agent, where no `mongod` can be had: replica sets and who is primary, accounts, SCRAM, and just
//! enough of `insert` and `find` to see that what was written stays. Members copy *everything* from the primary with each
//! heartbeat, and the best of those who hear a majority makes itself primary: what is seen of a set from outside is
//! MongoDB's, what happens between its members is not.

mod commands;
mod data;
mod scram;
mod set;
mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mongodb::bson::Document;
use tokio::net::{TcpListener, TcpStream};

use commands::Session;
use data::{Data, Member};

/// What the stand-in reads of a server's configuration file.
#[derive(Clone, Debug)]
pub struct Options {
    /// `storage.dbPath`.
    pub folder: PathBuf,
    /// `net.port`.
    pub port: u16,
    /// `replication.replSetName`.
    pub set: String,
    /// The content of `security.keyFile`.
    pub key: String,
}

impl Options {
    /// Reads a configuration file as `mongod --config` does, as far as the agent writes one.
    ///
    /// # Errors
    /// A file cannot be read, a setting is missing, or the key file is one that MongoDB refuses: others may read it
    /// (<https://www.mongodb.com/docs/manual/core/security-internal-authentication/>).
    pub fn read(file: &std::path::Path) -> std::io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let text = std::fs::read_to_string(file)?;
        let settings: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .collect();
        let setting = |name: &str| {
            let missing = || std::io::Error::other(format!("{name} is not set"));
            settings.get(name).copied().ok_or_else(missing)
        };
        let key = setting("keyFile")?;
        if std::fs::metadata(key)?.permissions().mode() & 0o077 != 0 {
            return Err(std::io::Error::other(format!(
                "permissions on {key} are too open"
            )));
        }
        Ok(Self {
            folder: setting("dbPath")?.into(),
            port: setting("port")?.parse().map_err(std::io::Error::other)?,
            set: setting("replSetName")?.to_owned(),
            key: std::fs::read_to_string(key)?.trim().to_owned(),
        })
    }
}

/// A server, shared by its connections.
#[derive(Clone)]
pub struct Mongod {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    /// Tells this process from others, for a member that looks for itself.
    instance: String,
    member: Mutex<Member>,
}

impl Mongod {
    /// Reads what an earlier process left in the folder.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(options: Options) -> std::io::Result<Self> {
        let member = Member::new(Data::read(&options.folder)?);
        Ok(Self {
            shared: Arc::new(Shared {
                instance: uuid::Uuid::new_v4().to_string(),
                options,
                member: Mutex::new(member),
            }),
        })
    }

    /// Listens, and serves for ever.
    ///
    /// # Errors
    /// The port cannot be used.
    pub async fn serve(self) -> std::io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.shared.options.port));
        let listener = TcpListener::bind(address).await?;
        let accept = async {
            loop {
                let (stream, peer) = listener.accept().await?;
                tokio::spawn(self.clone().talk(stream, peer));
            }
        };
        tokio::select! {
            ended = accept => ended,
            () = self.take_part() => Ok(()),
        }
    }

    async fn talk(self, mut stream: TcpStream, peer: SocketAddr) {
        let mut session = Session::new(peer.ip().is_loopback());
        while let Ok((id, command)) = wire::read(&mut stream).await {
            let answer = self.answer(&mut session, command).await;
            if wire::write(&mut stream, id, &answer).await.is_err() {
                return;
            }
        }
    }

    fn member(&self) -> MutexGuard<'_, Member> {
        self.shared
            .member
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the data, and writes it to the folder before anybody sees it.
    fn change(&self, change: impl FnOnce(&mut Data)) {
        let mut member = self.member();
        change(&mut member.data);
        if let Err(error) = member.data.write(&self.shared.options.folder) {
            eprintln!("mongod-stand-in: failed to write the data: {error}");
            std::process::abort();
        }
    }

    /// Asks another server one thing.
    async fn ask(&self, host: &str, command: &Document) -> Option<Document> {
        let asked = async {
            let mut stream = TcpStream::connect(host).await?;
            wire::write(&mut stream, 0, command).await?;
            wire::read(&mut stream).await
        };
        let (_, answer) = tokio::time::timeout(set::LIMIT, asked).await.ok()?.ok()?;
        (answer.get_f64("ok").ok()? == 1.0).then_some(answer)
    }
}
