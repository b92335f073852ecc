//! What to do when the API says no before it began to answer.
//!
//! As the SDKs do: 408, 409, 429, 498, everything from 500 on and broken connections are tried
//! again, at most twice, with growing jittered delays; `x-should-retry` decides against that, and
//! `retry-after` is honoured where it is short enough. Where another model may be asked, that is
//! quicker than to wait for this one. 413 is never sent again: it is larger than the limit.

use std::time::Duration;

use crate::model::Failure;

/// Attempts after the first one.
const RETRIES: u32 = 2;

/// Longest wait that is asked for and honoured.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// First delay, and longest one.
const DELAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// Why the API did not begin to answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It answered with an error.
    Status {
        /// The HTTP status.
        status: u16,
        /// `retry-after`.
        retry_after: Option<Duration>,
        /// `x-should-retry`.
        should_retry: Option<bool>,
        /// The error's code.
        code: Option<String>,
        /// The error's message.
        message: String,
    },
    /// The connection was not made, or broke.
    Connection(String),
    /// Nothing came in time.
    Timeout,
    /// What no further attempt can change.
    Final(Failure),
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask again after this time.
    Again(Duration),
    /// Ask another model.
    AnotherModel,
    /// Say that it failed.
    GiveUp,
}

impl Next {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Again(_) => "again",
            Self::AnotherModel => "another model",
            Self::GiveUp => "give up",
        }
    }
}

/// Decides what to do after attempt number `attempt` (from 0) failed; `another` says whether there
/// is another model to ask.
pub(super) fn next(refusal: &Refusal, attempt: u32, another: bool) -> Next {
    let (retryable, wait) = match refusal {
        Refusal::Status {
            status: 404 | 429 | 498 | 503,
            ..
        } if another => return Next::AnotherModel,
        Refusal::Status {
            status,
            retry_after,
            should_retry,
            ..
        } => {
            let usual = matches!(status, 408 | 409 | 429 | 498 | 500..=599);
            (
                should_retry.unwrap_or(usual) && *status != 413,
                *retry_after,
            )
        }
        Refusal::Connection(_) => (true, None),
        Refusal::Timeout | Refusal::Final(_) => (false, None),
    };
    if !retryable || attempt >= RETRIES || wait.is_some_and(|wait| wait > LONGEST_WAIT) {
        return Next::GiveUp;
    }
    Next::Again(wait.unwrap_or_else(|| delay(attempt)))
}

/// Doubles with each attempt; up to a quarter is taken off at random, so that callers do not come
/// back together.
fn delay(attempt: u32) -> Duration {
    let (first, longest) = DELAY;
    let full = first
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(longest);
    full.mul_f64(1.0 - 0.25 * rand::random::<f64>())
}

impl Refusal {
    /// For logs: no text of the API's, which may quote the conversation.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Status { status, code, .. } => match code {
                Some(code) => format!("{status} {code}"),
                None => status.to_string(),
            },
            Self::Connection(error) => error.clone(),
            Self::Timeout => "no answer in time".to_owned(),
            Self::Final(failure) => failure.to_string(),
        }
    }

    /// What the user is told; `asked_for` says whether the user named the model.
    pub(super) fn failure(&self, model: &str, asked_for: bool) -> Failure {
        match self {
            Self::Final(failure) => failure.clone(),
            Self::Timeout => Failure::Timeout,
            Self::Connection(_) => Failure::Failed("it cannot be reached".to_owned()),
            Self::Status {
                status,
                retry_after,
                message,
                ..
            } => match status {
                401 | 403 if !asked_for => Failure::Misconfigured(format!(
                    "it refuses the API key or the model ({status})"
                )),
                401 => Failure::Misconfigured("it refuses the API key (401)".to_owned()),
                403 | 404 if asked_for => Failure::NoSuchModel(model.to_owned()),
                404 => Failure::Misconfigured(format!("there is no model `{model}`")),
                408 | 504 => Failure::Timeout,
                413 => Failure::TooLarge,
                429 | 498 => Failure::RateLimited {
                    retry_after: *retry_after,
                },
                400 | 422 => Failure::Failed(message.clone()),
                _ => Failure::Failed(format!("it answered with status {status}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Next, Refusal, next};
    use crate::model::Failure;
    use std::time::Duration;

    fn status(status: u16) -> Refusal {
        Refusal::Status {
            status,
            retry_after: None,
            should_retry: None,
            code: None,
            message: "m".to_owned(),
        }
    }

    fn told(number: u16, retry_after: Option<u64>, should_retry: Option<bool>) -> Refusal {
        Refusal::Status {
            status: number,
            retry_after: retry_after.map(Duration::from_secs),
            should_retry,
            code: None,
            message: "m".to_owned(),
        }
    }

    #[test]
    fn what_may_pass_is_tried_twice_more() {
        for number in [408, 409, 429, 498, 500, 502, 503] {
            assert!(
                matches!(next(&status(number), 0, false), Next::Again(_)),
                "{number}"
            );
            assert!(
                matches!(next(&status(number), 1, false), Next::Again(_)),
                "{number}"
            );
            assert_eq!(next(&status(number), 2, false), Next::GiveUp, "{number}");
        }
        assert!(matches!(
            next(&Refusal::Connection("refused".to_owned()), 0, false),
            Next::Again(_)
        ));
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        for number in [400, 401, 403, 404, 413, 422, 424, 499] {
            assert_eq!(next(&status(number), 0, false), Next::GiveUp, "{number}");
        }
        assert_eq!(next(&Refusal::Timeout, 0, false), Next::GiveUp);
    }

    #[test]
    fn the_api_decides_where_it_says_so() {
        assert_eq!(next(&told(500, None, Some(false)), 0, false), Next::GiveUp);
        assert!(matches!(
            next(&told(400, None, Some(true)), 0, false),
            Next::Again(_)
        ));
        assert_eq!(next(&told(413, None, Some(true)), 0, false), Next::GiveUp);
        assert_eq!(
            next(&told(429, Some(3), None), 0, false),
            Next::Again(Duration::from_secs(3))
        );
        assert_eq!(next(&told(429, Some(11), None), 0, false), Next::GiveUp);
    }

    #[test]
    fn another_model_is_asked_where_that_can_help() {
        for number in [404, 429, 498, 503] {
            assert_eq!(
                next(&status(number), 0, true),
                Next::AnotherModel,
                "{number}"
            );
        }
        assert_eq!(next(&status(401), 0, true), Next::GiveUp);
        assert!(matches!(next(&status(500), 0, true), Next::Again(_)));
    }

    #[test]
    fn each_status_has_its_meaning() {
        let meaning = |number: u16| status(number).failure("x", false);
        assert!(matches!(meaning(401), Failure::Misconfigured(_)));
        assert!(matches!(meaning(403), Failure::Misconfigured(_)));
        assert!(matches!(meaning(404), Failure::Misconfigured(_)));
        assert_eq!(
            status(404).failure("x", true),
            Failure::NoSuchModel("x".to_owned())
        );
        assert_eq!(meaning(413), Failure::TooLarge);
        assert_eq!(meaning(400), Failure::Failed("m".to_owned()));
        assert_eq!(meaning(422), Failure::Failed("m".to_owned()));
        assert!(matches!(meaning(503), Failure::Failed(_)));
        assert_eq!(
            told(429, Some(7), None).failure("x", false),
            Failure::RateLimited {
                retry_after: Some(Duration::from_secs(7))
            }
        );
    }
}
