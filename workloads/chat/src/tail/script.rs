//! The script that adds events to a stream, and says what the stream holds.

use std::sync::LazyLock;
use std::time::Duration;

use chatbot_runtime::redis::{Error, Redis, Script};

/// Arguments: the attempt, the number of events its writer believes to be there, the life of the
/// stream in milliseconds, and the events after those.
///
/// A stream of an older attempt is replaced, one of a newer attempt is left alone (`-1`). Events that
/// are there already are skipped; where some are missing before them nothing is added. The answer is
/// the number of events that are there now, and whether the writer is to stop.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local attempt, place, believed = tonumber(ARGV[1]), 0, tonumber(ARGV[2])
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
    local theirs, there = string.match(last[1], '(%d+)-(%d+)')
    if tonumber(theirs) > attempt then return {-1, 0} end
    if tonumber(theirs) == attempt then place = tonumber(there) else redis.call('DEL', KEYS[1]) end
end
if place >= believed then
    for i = 4 + place - believed, #ARGV do
        place = place + 1
        redis.call('XADD', KEYS[1], string.format('%d-%d', attempt, place), 'e', ARGV[i])
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {place, redis.call('DEL', KEYS[2])}
",
    )
});

/// What the stream holds.
pub(super) enum Held {
    /// A newer attempt.
    Newer,
    /// This attempt.
    Until {
        /// Number of its events.
        place: usize,
        /// Whether its writer is to stop.
        cancelled: bool,
    },
}

/// Adds `events`, which come after the first `believed` ones.
pub(super) async fn append(
    redis: &Redis,
    keys: &[String],
    attempt: u32,
    believed: usize,
    life: Duration,
    events: Vec<Vec<u8>>,
) -> Result<Held, Error> {
    let mut script = SCRIPT.prepare_invoke();
    for key in keys {
        script.key(key);
    }
    let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    script.arg(attempt).arg(believed).arg(life);
    for event in events {
        script.arg(event);
    }
    let (place, cancelled): (i64, bool) = redis.script(&script).await?;
    Ok(match usize::try_from(place) {
        Ok(place) => Held::Until { place, cancelled },
        Err(_) => Held::Newer,
    })
}
