//! The configuration files of the server and of its Sentinel.
//!
//! The server's are written anew at each start. The Sentinel's is the Sentinel's memory as well: it rewrites
//! the file itself, so what it noted there is carried over.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use chatbot_contract::{ports, redis};
use sha2::{Digest, Sha256};

use super::settings::Identity;
use crate::apply::hex;

/// A primary that is silent for so long is missed (milliseconds): a failover begins then.
const DOWN_AFTER_MS: u32 = 2_000;
/// A failover that did not succeed is tried again after twice this time (milliseconds).
const FAILOVER_TIMEOUT_MS: u32 = 6_000;
/// Priority of a member that may become primary, and of one that never may (Redis's own numbers).
pub(super) const MAY_LEAD: u8 = 100;
pub(super) const NEVER_LEADS: u8 = 0;
/// What a Sentinel notes in its file and must find again.
const MEMORY: [&str; 6] = [
    "sentinel myid ",
    "sentinel config-epoch ",
    "sentinel leader-epoch ",
    "sentinel current-epoch ",
    "sentinel known-replica ",
    "sentinel known-sentinel ",
];

/// What the server's configuration is made of.
pub(super) struct Server<'a> {
    /// Lines that a person chose.
    pub(super) chosen: &'a str,
    /// Folder of the data.
    pub(super) data: &'a Path,
    /// File with the accounts.
    pub(super) accounts: &'a Path,
    /// The container's memory limit, in bytes.
    pub(super) memory: u64,
    /// The address by which it is announced, where there are several members.
    pub(super) announced: Option<IpAddr>,
    /// The primary it follows, unless it is one.
    pub(super) primary: Option<IpAddr>,
    /// Whether it may ever become primary.
    pub(super) priority: u8,
}

impl Server<'_> {
    /// The text. What was chosen comes first, since the last of two lines counts.
    pub(super) fn text(&self, identity: &Identity) -> String {
        // Room is left for buffers of clients and replicas, and for the copy when the file is rewritten.
        let data = self.memory / 10 * 7;
        let mut text = format!(
            "maxmemory {data}\n\
             maxmemory-policy allkeys-lru\n\
             {chosen}\n\
             bind * -::*\n\
             port {port}\n\
             protected-mode no\n\
             daemonize no\n\
             dir {dir}\n\
             aclfile {accounts}\n\
             appendonly yes\n\
             appendfsync everysec\n\
             save \"\"\n\
             repl-diskless-sync-delay 0\n\
             replica-priority {priority}\n\
             masteruser {user}\n\
             masterauth {password}\n",
            chosen = self.chosen,
            port = ports::REDIS,
            dir = self.data.display(),
            accounts = self.accounts.display(),
            priority = self.priority,
            user = redis::REPLICATION_ACCOUNT,
            password = identity.password(redis::REPLICATION_ACCOUNT),
        );
        if let Some(address) = self.announced {
            let port = ports::REDIS;
            let _ = write!(
                text,
                "replica-announce-ip {address}\nreplica-announce-port {port}\n"
            );
        }
        if let Some(address) = self.primary {
            let _ = writeln!(text, "replicaof {address} {}", ports::REDIS);
        }
        text
    }
}

/// The server's accounts (an ACL file). The workloads' may use what begins with their prefix, and no command that
/// is dangerous; Sentinel's and the replicas' are what Redis's documentation asks for.
pub(super) fn accounts(identity: &Identity) -> String {
    let prefix = redis::KEY_PREFIX;
    let line = |account, rights: &str| user(identity, account, rights);
    [
        "user default off\n".to_owned(),
        line(
            redis::WORKLOAD_ACCOUNT,
            &format!("~{prefix}* &{prefix}* +@all -@admin -@dangerous +role +info"),
        ),
        line(
            redis::SENTINEL_ACCOUNT,
            "&* +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill",
        ),
        line(redis::REPLICATION_ACCOUNT, "+psync +replconf +ping"),
        line(redis::ADMIN_ACCOUNT, "~* &* +@all"),
    ]
    .concat()
}

/// What a Sentinel's configuration is made of.
pub(super) struct Sentinel<'a> {
    /// The address by which it is announced.
    pub(super) announced: IpAddr,
    /// The primary that it watches.
    pub(super) primary: IpAddr,
    /// The other members whose addresses are known. A Sentinel asks a primary for them every ten seconds only: one that
    /// lost it before would know nobody to promote, for ever.
    pub(super) others: &'a [IpAddr],
    /// How many members there are in all.
    pub(super) members: usize,
    /// An older file, of which its memory is kept.
    pub(super) older: &'a str,
}

/// The Sentinel's configuration.
pub(super) fn sentinel(identity: &Identity, parts: &Sentinel<'_>) -> String {
    let Sentinel {
        announced,
        primary,
        others,
        members,
        older,
    } = *parts;
    let name = redis::PRIMARY_NAME;
    let account = redis::SENTINEL_ACCOUNT;
    let password = identity.password(account);
    let quorum = members / 2 + 1;
    let mut text = format!(
        "port {port}\n\
         protected-mode no\n\
         daemonize no\n\
         dir /tmp\n\
         user default off\n\
         {workload}{sentinels}{admin}\
         sentinel resolve-hostnames no\n\
         sentinel announce-ip {announced}\n\
         sentinel announce-port {port}\n\
         sentinel sentinel-user {account}\n\
         sentinel sentinel-pass {password}\n\
         sentinel monitor {name} {primary} {redis} {quorum}\n\
         sentinel auth-user {name} {account}\n\
         sentinel auth-pass {name} {password}\n\
         sentinel down-after-milliseconds {name} {DOWN_AFTER_MS}\n\
         sentinel failover-timeout {name} {FAILOVER_TIMEOUT_MS}\n\
         sentinel parallel-syncs {name} 1\n",
        port = ports::SENTINEL,
        redis = ports::REDIS,
        workload = user(
            identity,
            redis::WORKLOAD_ACCOUNT,
            "&* -@all +auth +hello +ping +role +client|setinfo +client|setname +subscribe +psubscribe \
             +sentinel|get-master-addr-by-name +sentinel|master +sentinel|masters +sentinel|replicas +sentinel|sentinels",
        ),
        sentinels = user(identity, account, "&* +@all"),
        admin = user(identity, redis::ADMIN_ACCOUNT, "&* +@all"),
    );
    for line in older.lines() {
        if MEMORY.iter().any(|word| line.starts_with(word)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for other in others.iter().filter(|other| **other != primary) {
        let line = format!("sentinel known-replica {name} {other} {}\n", ports::REDIS);
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    text
}

/// The primary that a Sentinel's file says is watched.
pub(super) fn watched(file: &str) -> Option<IpAddr> {
    let monitor = format!("sentinel monitor {} ", redis::PRIMARY_NAME);
    let line = file.lines().find_map(|line| line.strip_prefix(&monitor))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A line that makes an account; the password's hash does for whoever only checks it.
fn user(identity: &Identity, account: &str, rights: &str) -> String {
    let hash = hex(&Sha256::digest(identity.password(account).as_bytes()));
    format!("user {account} on #{hash} {rights}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ordinal: u8) -> IpAddr {
        IpAddr::from([198, 18, 0, ordinal])
    }

    #[test]
    fn a_sentinel_finds_its_memory_again_under_a_new_configuration() {
        let identity = Identity::of_test();
        let noted = "sentinel monitor chatbot 198.18.0.2 6379 2\n\
                     sentinel myid 5ba2\n\
                     sentinel known-replica chatbot 198.18.0.1 6379\n\
                     sentinel down-after-milliseconds chatbot 90000\n\
                     port 1\n";
        assert_eq!(watched(noted), Some(address(2)));
        let parts = Sentinel {
            announced: address(0),
            primary: address(2),
            others: &[address(1), address(2)],
            members: 3,
            older: noted,
        };
        let text = sentinel(&identity, &parts);
        assert_eq!(watched(&text), Some(address(2)));
        assert!(text.contains("sentinel monitor chatbot 198.18.0.2 6379 2\n"));
        assert!(
            text.ends_with("sentinel myid 5ba2\nsentinel known-replica chatbot 198.18.0.1 6379\n")
        );
        assert!(!text.contains("90000") && !text.contains("port 1\n"));
    }

    #[test]
    fn a_new_sentinel_knows_whom_it_can_promote() {
        let parts = Sentinel {
            announced: address(0),
            primary: address(0),
            others: &[address(1), address(2)],
            members: 3,
            older: "",
        };
        let text = sentinel(&Identity::of_test(), &parts);
        assert!(text.ends_with(
            "sentinel known-replica chatbot 198.18.0.1 6379\nsentinel known-replica chatbot 198.18.0.2 6379\n"
        ));
    }

    #[test]
    fn a_file_without_a_primary_watches_none() {
        assert_eq!(watched(""), None);
        assert_eq!(watched("sentinel monitor other 198.18.0.2 6379 2\n"), None);
    }

    #[test]
    fn passwords_that_are_only_checked_stand_there_as_hashes() {
        let text = accounts(&Identity::of_test());
        assert!(text.starts_with("user default off\n"));
        assert!(!text.contains("secret-of-"));
    }

    #[test]
    fn what_was_chosen_does_not_replace_what_is_owned() {
        let server = Server {
            chosen: "maxmemory-policy noeviction\nport 1",
            data: Path::new("/data/redis"),
            accounts: Path::new("/run/redis/users.acl"),
            memory: 100,
            announced: Some(address(1)),
            primary: Some(address(0)),
            priority: NEVER_LEADS,
        };
        let text = server.text(&Identity::of_test());
        let last = |name: &str| {
            text.lines()
                .filter_map(|line| line.strip_prefix(name))
                .next_back()
                .map(str::to_owned)
        };
        assert_eq!(last("maxmemory-policy ").as_deref(), Some("noeviction"));
        assert_eq!(last("port ").as_deref(), Some("6379"));
        assert_eq!(last("maxmemory ").as_deref(), Some("70"));
        assert_eq!(last("replicaof ").as_deref(), Some("198.18.0.0 6379"));
        assert_eq!(last("replica-priority ").as_deref(), Some("0"));
    }
}
