//! The newest messages of each conversation at Redis, so that a turn need not read its history while it
//! holds the lock of the conversation's row.
//!
//! A list for each conversation, one entry a message, sealed as in the database. What is read is
//! believed only as far as [`Recent`] allows, and a Redis that lost, kept or doubled entries
//! costs a read of the database and no more. Lists go by themselves after [`LIFE`].

use std::sync::LazyLock;
use std::time::Duration;

use chatbot_api::conversations::Role;
use chatbot_contract::redis::KEY_PREFIX;
use chatbot_runtime::metrics::Metrics;
use chatbot_runtime::redis::{Error, Redis, Script, cmd, pipe};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::recent::Recent;
use crate::store::MessageRow;

/// How long a list stays after the last message of its conversation.
const LIFE: Duration = Duration::from_secs(3600);

/// Messages of a list: as many as the chat workload asks for.
const MOST: usize = 200;

/// Most bytes of a message that is remembered. A longer one ends its list: it would push out those of many others.
const LARGEST: usize = 16 * 1024;

/// Arguments: the message's `seq`, its entry, [`MOST`], [`LIFE`] in milliseconds.
///
/// Adds an entry that follows the last one. One that is there already changes nothing; after a gap, or
/// where another message has its place (the database was restored to an earlier time), the list ends.
static APPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local seq, last, place = tonumber(ARGV[1]), redis.call('LINDEX', KEYS[1], -1), 0
if last then place = tonumber(string.match(last, '^(%d+):')) end
if place == seq - 1 then
    redis.call('RPUSH', KEYS[1], ARGV[2])
    redis.call('LTRIM', KEYS[1], -ARGV[3], -1)
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
elseif place < seq or redis.call('LINDEX', KEYS[1], seq - place - 1) ~= ARGV[2] then
    redis.call('DEL', KEYS[1])
end
",
    )
});

/// The cache of all conversations. Clones share the connection.
#[derive(Clone)]
pub struct Cache {
    redis: Redis,
    reads: Family<Read, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Read {
    outcome: Outcome,
}

/// What a look into the cache brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    /// The whole history.
    Hit,
    /// Not all of it: the database was read.
    Miss,
}

/// A message as an entry holds it, after its `seq` and a colon.
#[derive(Serialize, Deserialize)]
struct Entry {
    id: Uuid,
    turn_id: Uuid,
    role: Role,
    content: Vec<u8>,
    model: Option<String>,
    created_at: i64,
}

impl Cache {
    /// Makes the cache, and its numbers.
    #[must_use]
    pub fn new(redis: Redis, metrics: &Metrics) -> Self {
        let reads = Family::default();
        metrics.register(|registry| {
            registry.register(
                "history_cache_reads",
                "Histories looked for at Redis",
                reads.clone(),
            );
        });
        Self { redis, reads }
    }

    /// What is remembered of a conversation; nothing without Redis.
    pub(crate) async fn read(&self, conversation: Uuid) -> Recent {
        let mut range = cmd("LRANGE");
        range.arg(key(conversation)).arg(0).arg(-1);
        let entries: Result<Vec<Vec<u8>>, Error> = self.redis.query(&range).await;
        let rows = entries.unwrap_or_default();
        Recent::new(
            rows.iter()
                .filter_map(|entry| parse(conversation, entry))
                .collect(),
        )
    }

    /// Counts what a look brought.
    pub(crate) fn count(&self, outcome: Outcome) {
        self.reads.get_or_create(&Read { outcome }).inc();
    }

    /// Remembers the whole history of a conversation instead of what was remembered.
    pub(crate) async fn replace<'a>(&self, rows: impl DoubleEndedIterator<Item = &'a MessageRow>) {
        let mut entries: Vec<_> = rows
            .rev()
            .map_while(|row| Some((row, entry(row)?)))
            .take(MOST)
            .collect();
        entries.reverse();
        let Some((first, _)) = entries.first() else {
            return;
        };
        let key = key(first.conversation_id);
        let mut all = pipe();
        all.atomic().cmd("DEL").arg(&key).ignore();
        let push = all.cmd("RPUSH").arg(&key);
        for (_, entry) in entries {
            push.arg(entry);
        }
        push.ignore();
        all.cmd("PEXPIRE").arg(&key).arg(millis()).ignore();
        // What is not remembered is read from the database.
        let _: Result<(), _> = self.redis.pipeline(&all).await;
    }

    /// Remembers one more message.
    pub(crate) async fn append(&self, row: &MessageRow) {
        let Some(entry) = entry(row) else {
            return self.forget(row.conversation_id).await;
        };
        let mut script = APPEND.prepare_invoke();
        script
            .key(key(row.conversation_id))
            .arg(row.seq)
            .arg(entry)
            .arg(MOST)
            .arg(millis());
        // As in `replace`.
        let _: Result<(), _> = self.redis.script(&script).await;
    }

    /// Forgets a conversation.
    pub(crate) async fn forget(&self, conversation: Uuid) {
        let mut del = cmd("DEL");
        del.arg(key(conversation));
        // As in `replace`; a list that stays is never asked for again, and goes by itself.
        let _: Result<(), _> = self.redis.query(&del).await;
    }
}

fn key(conversation: Uuid) -> String {
    format!("{KEY_PREFIX}history:{conversation}")
}

fn millis() -> u64 {
    u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX)
}

/// A message as an entry; nothing where it is too long.
fn entry(row: &MessageRow) -> Option<Vec<u8>> {
    if row.content.len() > LARGEST {
        return None;
    }
    let entry = Entry {
        id: row.id,
        turn_id: row.turn_id,
        role: row.role,
        content: row.content.clone(),
        model: row.model.clone(),
        created_at: row.created_at,
    };
    postcard::to_extend(&entry, format!("{}:", row.seq).into_bytes()).ok()
}

/// The message of an entry; nothing where a release wrote it that does it otherwise.
fn parse(conversation: Uuid, entry: &[u8]) -> Option<MessageRow> {
    let colon = entry.iter().position(|&byte| byte == b':')?;
    let seq = std::str::from_utf8(entry.get(..colon)?)
        .ok()?
        .parse()
        .ok()?;
    let Entry {
        id,
        turn_id,
        role,
        content,
        model,
        created_at,
    } = postcard::from_bytes(entry.get(colon + 1..)?).ok()?;
    Some(MessageRow {
        id,
        conversation_id: conversation,
        turn_id,
        seq,
        role,
        content,
        model,
        created_at,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use chatbot_api::conversations::Role;
    use uuid::Uuid;

    use super::{LARGEST, entry, parse};
    use crate::store::MessageRow;

    fn row(content: Vec<u8>) -> MessageRow {
        MessageRow {
            id: Uuid::from_u128(1),
            conversation_id: Uuid::from_u128(2),
            turn_id: Uuid::from_u128(3),
            seq: 12,
            role: Role::Assistant,
            content,
            model: Some("m".to_owned()),
            created_at: -5,
        }
    }

    #[test]
    fn a_message_comes_back_from_its_entry() {
        let before = row(b"1:2:3".to_vec());
        let after = parse(before.conversation_id, &entry(&before).unwrap()).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn a_long_message_is_not_remembered_and_a_strange_entry_not_read() {
        assert!(entry(&row(vec![0; LARGEST + 1])).is_none());
        for strange in [&b""[..], b"12", b"x:y", b"12:", b"12:\xff"] {
            assert!(parse(Uuid::nil(), strange).is_none());
        }
    }
}
