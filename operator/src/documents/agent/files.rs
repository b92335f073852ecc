//! The server's configuration, and what is set up in it.

use chatbot_contract::documents::WORKLOAD_ACCOUNT;

/// Where PostgreSQL is, inside the pod only. Whoever is in the pod is believed, since DocumentDB's own workers connect
/// that way.
pub const ADDRESS: &str = "postgres://postgres@127.0.0.1:5432/postgres";

/// The text of `postgresql.auto.conf`, which counts more than what `initdb` wrote. There is no socket: its lock would
/// outlive a container that is killed, in a folder of the pod.
pub(super) fn configuration(memory: u64) -> String {
    format!(
        "shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'\n\
         cron.database_name = 'postgres'\n\
         listen_addresses = 'localhost'\n\
         port = 5432\n\
         unix_socket_directories = ''\n\
         shared_buffers = '{}kB'\n\
         max_connections = 100\n\
         jit = off\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         logging_collector = off\n",
        memory / 4 / 1024,
    )
}

/// Makes the extension and the account, or gives the account its password again. FerretDB lets an account with the
/// role that writes everywhere and the one that administers do what storage does; it has no narrower ones.
pub(super) fn set_up(password: &str) -> String {
    let account = format!(
        r#"{{"createUser": "{WORKLOAD_ACCOUNT}", "pwd": "{password}", "roles": [{{"role": "readWriteAnyDatabase", "db": "admin"}}, {{"role": "clusterAdmin", "db": "admin"}}]}}"#
    );
    let again = format!(r#"{{"updateUser": "{WORKLOAD_ACCOUNT}", "pwd": "{password}"}}"#);
    format!(
        "CREATE EXTENSION IF NOT EXISTS documentdb CASCADE;\n\
         SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{WORKLOAD_ACCOUNT}') AS is_new \\gset\n\
         \\if :is_new\n\
         SELECT documentdb_api.create_user('{account}');\n\
         \\else\n\
         SELECT documentdb_api.update_user('{again}');\n\
         \\endif\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_memory_is_for_pages() {
        let text = configuration(512 * 1024 * 1024);
        assert!(text.contains("shared_buffers = '131072kB'"));
    }
}
