//! A primary, its replicas, and the Sentinels that watch them.

use chatbot_contract::redis::{
    ADMIN_ACCOUNT, PRIMARY_NAME, REPLICATION_ACCOUNT, SENTINEL_ACCOUNT, WORKLOAD_ACCOUNT,
};

use super::{Error, PASSWORD, Process, Redis};

/// Servers and Sentinels on one machine.
pub struct Set {
    /// The servers; the first one is the first primary.
    pub servers: Vec<Redis>,
    sentinels: Vec<Process>,
}

impl Set {
    /// Starts three servers and three Sentinels, and returns when the Sentinels know all of them.
    ///
    /// # Errors
    /// Fails when there is no Redis to run, or when one does not join.
    pub async fn start() -> Result<Self, Error> {
        let follow = format!("masteruser {REPLICATION_ACCOUNT}\nmasterauth {PASSWORD}\n");
        let primary = Redis::start_with(&follow).await?;
        let port = primary.process.port();
        let mut servers = vec![primary];
        for _ in 0..2 {
            let replica =
                Redis::start_with(&format!("{follow}replicaof 127.0.0.1 {port}\n")).await?;
            servers.push(replica);
        }
        for replica in servers.iter().skip(1) {
            let up = |info: &str| info.contains("master_link_status:up");
            replica.process.until(up).await?;
        }
        let settings = format!(
            "user default off\n\
             user {ADMIN_ACCOUNT} on >{PASSWORD} ~* &* +@all\n\
             user {SENTINEL_ACCOUNT} on >{PASSWORD} ~* &* +@all\n\
             user {WORKLOAD_ACCOUNT} on >{PASSWORD} resetchannels -@all +auth +hello +ping \
             +sentinel|get-master-addr-by-name\n\
             sentinel sentinel-user {SENTINEL_ACCOUNT}\n\
             sentinel sentinel-pass {PASSWORD}\n\
             sentinel monitor {PRIMARY_NAME} 127.0.0.1 {port} 2\n\
             sentinel auth-user {PRIMARY_NAME} {SENTINEL_ACCOUNT}\n\
             sentinel auth-pass {PRIMARY_NAME} {PASSWORD}\n\
             sentinel down-after-milliseconds {PRIMARY_NAME} 1000\n\
             sentinel failover-timeout {PRIMARY_NAME} 5000\n"
        );
        let sentinels = (0..3)
            .map(|_| Process::sentinel(&settings))
            .collect::<Result<Vec<_>, _>>()?;
        for sentinel in &sentinels {
            let all = |info: &str| info.contains("slaves=2,sentinels=3");
            sentinel.until(all).await?;
        }
        Ok(Self { servers, sentinels })
    }

    /// Addresses of the Sentinels, `host:port`.
    #[must_use]
    pub fn sentinels(&self) -> Vec<String> {
        self.sentinels.iter().map(Process::address).collect()
    }
}
