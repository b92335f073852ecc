//! Limits at Redis, which all gateways count with: one atomic script for each question.

use std::sync::LazyLock;

use chatbot_contract::redis::KEY_PREFIX;
use chatbot_runtime::redis::{Error, Redis, Script};

use super::{Ask, Counted};

/// Does what [`super::local::Local`] does, with the time of Redis: the clocks of gateways differ.
///
/// Arguments: the mode, then interval, reach and cost of each key. Answers whether it was granted, and
/// how far ahead each key is. Redis passes numbers as 64-bit floats, which hold microseconds since
/// 1970 exactly.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local mode = ARGV[1]
local answer = {1}
for i, key in ipairs(KEYS) do
    local ahead = math.max((tonumber(redis.call('GET', key)) or 0) - now, 0)
    local cost = ARGV[3 * i - 1] * ARGV[3 * i + 1]
    if mode == 'take' and ahead + cost > tonumber(ARGV[3 * i]) then answer[1] = 0 end
    answer[i + 1] = ahead
end
if answer[1] == 1 then
    for i, key in ipairs(KEYS) do
        local cost = ARGV[3 * i - 1] * ARGV[3 * i + 1]
        if mode == 'refund' then cost = -cost end
        local ahead = math.max(answer[i + 1] + cost, 0)
        answer[i + 1] = ahead
        if ahead > 0 then
            redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
        else
            redis.call('DEL', key)
        end
    end
end
return answer
",
    )
});

/// Counts that all gateways share.
pub struct Shared {
    redis: Redis,
}

impl Shared {
    /// Makes the counts of this Redis.
    #[must_use]
    pub const fn new(redis: Redis) -> Self {
        Self { redis }
    }

    /// Takes all that is asked for, or nothing.
    ///
    /// # Errors
    /// Redis is away, or failed: nothing is known then.
    pub async fn take(&self, asks: &[Ask]) -> Result<Counted, Error> {
        let mut answer = self.run("take", asks).await?;
        let granted = !answer.is_empty() && answer.remove(0) == 1;
        Ok(Counted {
            granted,
            ahead: answer,
        })
    }

    /// Adds what was done without having been asked for.
    ///
    /// # Errors
    /// Redis is away, or failed.
    pub async fn charge(&self, ask: &Ask) -> Result<(), Error> {
        self.run("charge", std::slice::from_ref(ask)).await?;
        Ok(())
    }

    /// Gives back what was taken and not done.
    ///
    /// # Errors
    /// Redis is away, or failed.
    pub async fn refund(&self, ask: &Ask) -> Result<(), Error> {
        self.run("refund", std::slice::from_ref(ask)).await?;
        Ok(())
    }

    async fn run(&self, mode: &str, asks: &[Ask]) -> Result<Vec<u64>, Error> {
        let mut script = SCRIPT.prepare_invoke();
        script.arg(mode);
        for Ask { rule, key, cost } in asks {
            script.key(format!("{KEY_PREFIX}limit:{key}"));
            script.arg(rule.interval()).arg(rule.reach()).arg(*cost);
        }
        self.redis.script(&script).await
    }
}
