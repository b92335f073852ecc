//! The files a server is started with: its configuration, and the statements it runs before it listens.

use std::fmt::Write as _;
use std::path::Path;

use chatbot_contract::{mysql, ports};
use uuid::Uuid;

use super::settings::{Identity, Settings};

/// Small, so that three members fit on two cores beside everything else; `config` in the spec raises them.
const DEFAULTS: &str = "\
innodb_buffer_pool_size=128M
innodb_redo_log_capacity=128M
innodb_log_buffer_size=8M
max_connections=300
table_open_cache=1000
table_definition_cache=800
thread_cache_size=16
binlog_expire_logs_seconds=604800
performance_schema_max_table_instances=500
performance_schema_max_digest_length=512
performance_schema_digests_size=500
performance_schema_consumer_events_statements_history=OFF
local_infile=OFF
";

/// What group replication, and the agent's own promises, rest on: after everything else, so that it wins.
///
/// - `super_read_only` from the first moment: a member that took a write outside the group could never
///   return to it. Group replication lifts it on the primary alone.
/// - `communication_stack=MYSQL`: members speak to each other over MySQL's own port and must log in
///   (and no list of pod networks has to be kept, as the other stack wants).
/// - `start_on_boot=OFF`, `autorejoin_tries=0`: the agent decides about each start, knowing the peers.
/// - `expel_timeout=0`: a dead member holds up the others for the group's own 5 s and no longer.
/// - `unreachable_majority_timeout`, `OFFLINE_MODE`: a primary that is cut off lets go of its clients.
const OWNED: &str = "\
mysqlx=OFF
secure_file_priv=NULL
skip_name_resolve=ON
super_read_only=ON
skip_replica_start=ON
gtid_mode=ON
enforce_gtid_consistency=ON
log_bin=binlog
log_replica_updates=ON
relay_log=relay
performance_schema=ON
log_error_verbosity=2
plugin_load_add=group_replication.so
plugin_load_add=mysql_clone.so
loose_group_replication_start_on_boot=OFF
loose_group_replication_communication_stack=MYSQL
loose_group_replication_ssl_mode=REQUIRED
loose_group_replication_recovery_use_ssl=ON
loose_group_replication_recovery_reconnect_interval=5
loose_group_replication_member_expel_timeout=0
loose_group_replication_unreachable_majority_timeout=10
loose_group_replication_exit_state_action=OFFLINE_MODE
loose_group_replication_autorejoin_tries=0
loose_group_replication_components_stop_timeout=20
loose_group_replication_message_cache_size=134217728
";

/// Writes the configuration file.
pub(super) fn config(settings: &Settings, group_id: Uuid, data: &Path, chosen: &str) -> String {
    let mut text = format!("[mysqld]\n{DEFAULTS}");
    if !chosen.trim().is_empty() {
        text.push_str(chosen.trim());
        text.push('\n');
    }
    text.push_str(OWNED);
    let runtime = settings.runtime.display();
    let address = settings.group_address();
    let lines = [
        ("datadir", data.display().to_string()),
        ("socket", settings.socket().display().to_string()),
        ("pid_file", format!("{runtime}/mysqld.pid")),
        ("init_file", format!("{runtime}/init.sql")),
        ("port", ports::MYSQL.to_string()),
        ("server_id", settings.server_number().to_string()),
        ("report_host", settings.host.clone()),
        ("report_port", ports::MYSQL.to_string()),
        ("loose_group_replication_group_name", group_id.to_string()),
        ("loose_group_replication_local_address", address.clone()),
        // Members find each other by address: a new pod's name may not be known yet.
        (
            "loose_group_replication_advertise_recovery_endpoints",
            address,
        ),
    ];
    for (name, value) in lines {
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

/// Statements the server runs at its start, before it listens and before it is read-only.
///
/// The account by which members log in at each other is always made to fit the identity; it must,
/// since a member that cannot log in can never be told a new password by the group. The other
/// accounts are made with new data and are later kept by the primary ([`accounts`]).
/// Nothing of it is written to the binary log: it would look like a transaction of this member alone.
pub(super) fn init(identity: &Identity, new_data: bool) -> String {
    let mut text = "SET sql_log_bin = 0;\n".to_owned();
    for statement in account(identity, mysql::REPLICATION_ACCOUNT) {
        text.push_str(&statement);
        text.push_str(";\n");
    }
    if new_data {
        for statement in accounts(identity) {
            text.push_str(&statement);
            text.push_str(";\n");
        }
    }
    text
}

/// Statements that make schemas, accounts and rights what they shall be; they can be repeated.
pub(super) fn accounts(identity: &Identity) -> Vec<String> {
    let schemas = [mysql::USERS_SCHEMA, mysql::CONVERSATIONS_SCHEMA];
    let mut statements: Vec<String> = schemas
        .iter()
        .map(|schema| format!("CREATE SCHEMA IF NOT EXISTS `{schema}`"))
        .collect();
    for name in mysql::ACCOUNTS {
        if name != mysql::REPLICATION_ACCOUNT {
            statements.extend(account(identity, name));
        }
    }
    statements
}

fn account(identity: &Identity, name: &str) -> Vec<String> {
    let who = format!("'{name}'@'%'");
    let password = quoted(identity.password(name));
    let mut statements = vec![
        format!("CREATE USER IF NOT EXISTS {who} IDENTIFIED BY {password}"),
        format!("ALTER USER {who} IDENTIFIED BY {password}"),
    ];
    statements.extend(
        rights(name)
            .into_iter()
            .map(|(rights, on, option)| format!("GRANT {rights} ON {on} TO {who}{option}")),
    );
    statements
}

/// Rights of an account: what, on what, with which option.
fn rights(name: &str) -> Vec<(&'static str, String, &'static str)> {
    const ROWS: &str = "SELECT, INSERT, UPDATE, DELETE";
    let on = |schema: &str| format!("`{schema}`.*");
    let group = [
        "replication_group_members",
        "replication_group_member_stats",
    ]
    .map(|table| ("SELECT", format!("performance_schema.{table}"), ""));
    let mut rights = match name {
        mysql::USER_ACCOUNT => vec![(ROWS, on(mysql::USERS_SCHEMA), "")],
        mysql::STORAGE_ACCOUNT => vec![(ROWS, on(mysql::CONVERSATIONS_SCHEMA), "")],
        mysql::MIGRATE_ACCOUNT => vec![
            ("ALL", on(mysql::USERS_SCHEMA), ""),
            ("ALL", on(mysql::CONVERSATIONS_SCHEMA), ""),
        ],
        mysql::REPLICATION_ACCOUNT => {
            return vec![(
                "REPLICATION SLAVE, BACKUP_ADMIN, CONNECTION_ADMIN, GROUP_REPLICATION_STREAM",
                "*.*".to_owned(),
                "",
            )];
        }
        mysql::ADMIN_ACCOUNT => return vec![("ALL", "*.*".to_owned(), " WITH GRANT OPTION")],
        _ => Vec::new(),
    };
    rights.extend(group);
    rights
}

/// A string literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use chatbot_crds::OWNED_SETTINGS;

    use super::{OWNED, quoted};

    #[test]
    fn a_member_is_read_only_until_the_group_says_otherwise() {
        assert!(OWNED.contains("super_read_only=ON\n"));
        assert!(OWNED.contains("start_on_boot=OFF\n"));
    }

    #[test]
    fn no_owned_setting_can_be_named_in_the_spec() {
        let names = OWNED.lines().filter_map(|line| line.split('=').next());
        for name in names.filter(|name| !name.starts_with("loose_group_replication_")) {
            assert!(OWNED_SETTINGS.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_quote_does_not_end_a_literal() {
        assert_eq!(quoted(r"a'b\c"), r"'a''b\\c'");
    }
}
