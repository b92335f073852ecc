//! Limits: how often a user may ask, how many tokens a day, how often an address may fail to log in.
//!
//! Counts are kept at Redis, one script for each question, so that it does not matter which gateway
//! a request meets ([`shared`]). Where there is no Redis, and while it is away, each gateway counts
//! what it sees itself ([`local`]): with N gateways a user may then do up to N times as much. A limit
//! is never a reason to refuse what it allows: no failure of Redis reaches a user.

pub mod gcra;
pub mod headers;
pub mod local;
pub mod shared;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chatbot_api::error::ErrorCode;
use chatbot_contract::environment;
use chatbot_runtime::config::ConfigError;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::redis::Redis;
use uuid::Uuid;

pub use gcra::{Rule, Standing};
pub use headers::Shown;
use local::Local;
use shared::Shared;

const MINUTE: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Failed attempts to log in or register, for one address. Many people may share one, behind a
/// router or a load balancer that hides them, so it only stops programs that try passwords.
const ATTEMPTS: Rule = Rule {
    name: "attempts",
    quota: 60,
    window: MINUTE,
    burst: 300,
};

/// Settings of the limits.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Requests of one user in a minute, over time.
    #[arg(long = "rate-limit-requests-per-minute", env = environment::RATE_LIMIT_REQUESTS_PER_MINUTE, default_value_t = 1200)]
    pub requests_per_minute: u64,
    /// Requests of one user at once; a quarter of a minute's when absent.
    #[arg(long = "rate-limit-burst", env = environment::RATE_LIMIT_BURST)]
    pub burst: Option<u64>,
    /// Tokens of one user in 24 hours, prompts and answers together; no limit when absent.
    #[arg(long = "rate-limit-tokens-per-day", env = environment::RATE_LIMIT_TOKENS_PER_DAY)]
    pub tokens_per_day: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            requests_per_minute: 1200,
            burst: None,
            tokens_per_day: None,
        }
    }
}

/// Something that is about to be done.
#[derive(Clone, Debug)]
pub struct Ask {
    /// By which rule.
    pub rule: Rule,
    /// What is counted: the rule's name and who.
    pub key: String,
    /// How much.
    pub cost: u64,
}

/// What was found of the things asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whether all of them may be done.
    pub granted: bool,
    /// How far ahead each stands, in microseconds: after the grant, or before the refusal.
    pub ahead: Vec<u64>,
}

/// All limits. Clones share the counts.
#[derive(Clone)]
pub struct Limits {
    inner: Arc<Inner>,
}

struct Inner {
    requests: Rule,
    tokens: Option<Rule>,
    local: Local,
    shared: Option<Shared>,
}

/// An attempt to log in or register, which counts as failed until it is said to have gone well.
#[must_use = "an attempt that went well is given back"]
pub struct Attempt {
    limits: Limits,
    ask: Ask,
}

impl Limits {
    /// Makes the limits; `redis` is where they are shared.
    ///
    /// # Errors
    /// A limit of nothing, or a burst that no minute allows.
    pub fn new(config: &Config, redis: Option<Redis>) -> Result<Self, ConfigError> {
        let Config {
            requests_per_minute,
            burst,
            tokens_per_day,
        } = *config;
        for (variable, value) in [
            (
                environment::RATE_LIMIT_REQUESTS_PER_MINUTE,
                Some(requests_per_minute),
            ),
            (environment::RATE_LIMIT_BURST, burst),
            (environment::RATE_LIMIT_TOKENS_PER_DAY, tokens_per_day),
        ] {
            if value == Some(0) {
                return Err(ConfigError::invalid(variable, "it must be at least 1"));
            }
        }
        let burst = burst.unwrap_or((requests_per_minute / 4).max(1));
        if burst > requests_per_minute {
            let problem = format!("it is {burst}, more than the {requests_per_minute} of a minute");
            return Err(ConfigError::invalid(environment::RATE_LIMIT_BURST, problem));
        }
        let requests = Rule {
            name: "requests",
            quota: requests_per_minute,
            window: MINUTE,
            burst,
        };
        let tokens = tokens_per_day.map(|quota| Rule {
            name: "tokens",
            quota,
            window: DAY,
            burst: quota,
        });
        Ok(Self {
            inner: Arc::new(Inner {
                requests,
                tokens,
                local: Local::default(),
                shared: redis.map(Shared::new),
            }),
        })
    }

    /// Counts a request of a user.
    ///
    /// # Errors
    /// 429 with the time to come back.
    pub async fn request(&self, user: Uuid, shown: &Shown) -> Result<(), ApiError> {
        let ask = ask(self.inner.requests, &user, 1);
        self.take(ask, shown, "too many requests").await
    }

    /// Asks whether a user has tokens left today: what an answer costs is known only at its end,
    /// so one that begins with a single token left is made whole, and its debt is paid first.
    ///
    /// # Errors
    /// 429 with the time to come back.
    pub async fn turn(&self, user: Uuid, shown: &Shown) -> Result<(), ApiError> {
        let Some(rule) = self.inner.tokens else {
            return Ok(());
        };
        let why = "the tokens of the last 24 hours are used up";
        self.take(ask(rule, &user, 1), shown, why).await
    }

    /// Counts the tokens of an answer; one was counted when it began.
    pub async fn spend(&self, user: Uuid, spent: u64) {
        if let Some(rule) = self.inner.tokens {
            self.charge(&ask(rule, &user, spent.saturating_sub(1)))
                .await;
        }
    }

    /// Counts an attempt to log in or register from this address.
    ///
    /// # Errors
    /// 429 with the time to come back.
    pub async fn attempt(&self, address: IpAddr, shown: &Shown) -> Result<Attempt, ApiError> {
        let ask = ask(ATTEMPTS, &address.to_canonical(), 1);
        let why = "too many failed attempts from this address";
        self.take(ask.clone(), shown, why).await?;
        Ok(Attempt {
            limits: self.clone(),
            ask,
        })
    }

    async fn take(&self, ask: Ask, shown: &Shown, why: &str) -> Result<(), ApiError> {
        let Inner { local, shared, .. } = &*self.inner;
        let asks = [ask];
        let shared = match shared {
            Some(shared) => shared.take(&asks).await.ok(),
            None => None,
        };
        let Counted { granted, ahead } = shared.unwrap_or_else(|| local.take(&asks));
        let [Ask { rule, cost, .. }] = asks;
        let standing = rule.standing(ahead.first().copied().unwrap_or(0), cost, granted);
        shown.add(standing);
        if granted {
            return Ok(());
        }
        let seconds = standing.wait.as_secs() + 1;
        let message = format!("{why}; come back in {seconds} s");
        Err(ApiError::new(ErrorCode::RateLimited, message).retry_after(standing.wait))
    }

    async fn charge(&self, ask: &Ask) {
        let Inner { local, shared, .. } = &*self.inner;
        if let Some(shared) = shared
            && shared.charge(ask).await.is_ok()
        {
            return;
        }
        local.charge(ask);
    }
}

impl Attempt {
    /// It went well, and does not count.
    pub async fn succeeded(self) {
        let Self { limits, ask } = self;
        let Inner { local, shared, .. } = &*limits.inner;
        if let Some(shared) = shared
            && shared.refund(&ask).await.is_ok()
        {
            return;
        }
        local.refund(&ask);
    }
}

fn ask(rule: Rule, who: &dyn std::fmt::Display, cost: u64) -> Ask {
    Ask {
        rule,
        key: format!("{}:{who}", rule.name),
        cost,
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Limits};

    fn accepts(requests_per_minute: u64, burst: Option<u64>, tokens_per_day: Option<u64>) -> bool {
        let config = Config {
            requests_per_minute,
            burst,
            tokens_per_day,
        };
        Limits::new(&config, None).is_ok()
    }

    #[test]
    fn a_limit_allows_something_and_a_burst_fits_into_a_minute() {
        assert!(accepts(1, None, Some(1)));
        assert!(accepts(60, Some(60), None));
        assert!(!accepts(60, Some(61), None));
        assert!(!accepts(0, None, None));
        assert!(!accepts(60, Some(0), None));
        assert!(!accepts(60, None, Some(0)));
    }
}
