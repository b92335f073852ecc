//! The server's configuration.
//!
//! Options are those of <https://www.mongodb.com/docs/manual/reference/configuration-options/>.

use std::path::Path;

use chatbot_contract::{documents, ports};

/// Names of the generated files.
pub(super) const CONFIGURATION: &str = "mongod.conf";
pub(super) const KEY: &str = "key";

/// The least cache that WiredTiger takes (bytes).
const LEAST_CACHE: u64 = 256 * MIB;
const MIB: u64 = 1024 * 1024;

/// The text of the configuration file.
pub(super) fn configuration(data: &Path, key: &Path, memory: u64) -> String {
    format!(
        "storage:\n  \
           dbPath: {}\n  \
           wiredTiger:\n    \
             engineConfig:\n      \
               cacheSizeGB: {:.3}\n\
         net:\n  \
           bindIp: 0.0.0.0\n  \
           port: {}\n  \
           unixDomainSocket:\n    \
             enabled: false\n\
         replication:\n  \
           replSetName: {}\n\
         security:\n  \
           authorization: enabled\n  \
           keyFile: {}\n",
        data.display(),
        gibibytes(cache(memory)),
        ports::DOCUMENTS,
        documents::REPLICA_SET,
        key.display(),
    )
}

/// The cache in a container with this memory limit (bytes): MongoDB's own default, half of what is above 1 GiB. It is
/// written down because a server that does not see its container's limit takes half of the machine.
fn cache(memory: u64) -> u64 {
    (memory.saturating_sub(1024 * MIB) / 2).max(LEAST_CACHE)
}

/// A size as the configuration has it, to a MiB.
fn gibibytes(bytes: u64) -> f64 {
    (bytes / MIB) as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_this() {
        let text = configuration(
            Path::new("/data/mongo"),
            Path::new("/run/documents/key"),
            3 << 30,
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_small_container_has_the_least_cache() {
        assert_eq!(cache(512 * MIB), LEAST_CACHE);
        assert_eq!(cache(4096 * MIB), 1536 * MIB);
    }
}
