//! Servers in single-primary group replication.

use uuid::Uuid;

use super::{ADMIN, Error, Mysql};
use crate::guard::free_port;

/// A replication group on one machine.
pub struct Group {
    /// Its servers; the first one made the group and is its first primary.
    pub members: Vec<Mysql>,
}

impl Group {
    /// Starts `size` servers, makes a group of them, and returns when all are members.
    ///
    /// # Errors
    /// Fails when there is no MySQL to run, or when a member does not join.
    pub async fn start(size: u16) -> Result<Self, Error> {
        let name = Uuid::new_v4();
        let ports = (0..size)
            .map(|_| free_port())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| Error::Run("mysqld", source))?;
        let seeds: Vec<String> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        // One password for all: a member that joins logs in at another one with its own.
        let password = Uuid::new_v4().simple().to_string();
        let mut members = Vec::new();
        for (index, address) in seeds.iter().enumerate() {
            let member = Mysql::start_with(
                &options(name, index + 1, address, &seeds.join(",")),
                password.clone(),
                None,
            )
            .await?;
            join(&member, index == 0).await?;
            members.push(member);
        }
        Ok(Self { members })
    }

    /// Addresses of all members, `host:port`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(Mysql::address).collect()
    }
}

fn options(name: Uuid, id: usize, address: &str, seeds: &str) -> Vec<String> {
    vec![
        format!("--server-id={id}"),
        "--gtid-mode=ON".to_owned(),
        "--enforce-gtid-consistency=ON".to_owned(),
        "--plugin-load-add=group_replication.so".to_owned(),
        "--loose-group-replication-start-on-boot=OFF".to_owned(),
        format!("--loose-group-replication-group-name={name}"),
        format!("--loose-group-replication-local-address={address}"),
        format!("--loose-group-replication-group-seeds={seeds}"),
        "--loose-group-replication-ip-allowlist=127.0.0.1".to_owned(),
        "--loose-group-replication-recovery-get-public-key=ON".to_owned(),
        "--loose-group-replication-member-expel-timeout=0".to_owned(),
    ]
}

async fn join(member: &Mysql, first: bool) -> Result<(), Error> {
    let password = &member.admin_password;
    let recovery = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_USER='{ADMIN}', SOURCE_PASSWORD='{password}' \
         FOR CHANNEL 'group_replication_recovery'"
    );
    let mut statements = vec![recovery];
    if first {
        statements.push("SET GLOBAL group_replication_bootstrap_group = ON".to_owned());
    }
    statements.push("START GROUP_REPLICATION".to_owned());
    if first {
        statements.push("SET GLOBAL group_replication_bootstrap_group = OFF".to_owned());
    }
    member.execute(&statements).await?;
    Ok(())
}
