//! Goes on with an answer that another replica makes, or made.

use std::time::Duration;

use async_stream::stream;
use chatbot_api::error::ErrorCode;
use chatbot_api::turns::{EventId, TurnEvent};
use chatbot_runtime::auth::Caller;
use chatbot_runtime::error::ApiError;
use futures::StreamExt as _;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::log::{Event, Events};
use crate::storage::Storage;
use crate::tail::Tail;

/// Time between two looks at Redis.
const LOOK: Duration = Duration::from_millis(100);

/// Time between two questions at storage whether the answer is there.
const ASK: Duration = Duration::from_secs(1);

/// How long a stream that Redis does not have may take to be written again.
const MISSING: Duration = Duration::from_secs(3);

/// How long an answer is waited for that cannot be followed, because Redis is away.
const UNSEEN: Duration = Duration::from_secs(60);

/// The same where there is no Redis: mostly there is one replica alone then, and so no such answer.
const ALONE: Duration = Duration::from_secs(20);

/// The events of a turn after the one named, to the end.
///
/// Without Redis nothing is seen of an answer before it is stored; then it comes whole.
pub(crate) fn follow<S: Storage>(
    storage: impl AsRef<S> + Send + Sync + 'static,
    tail: Option<Tail>,
    caller: Caller,
    turn: Uuid,
    mut after: Option<EventId>,
) -> Events {
    stream! {
        let mut asked = Instant::now();
        let mut heard = Instant::now();
        loop {
            let seen = match &tail {
                Some(tail) => tail.after(caller.user, turn, after).await.ok(),
                None => None,
            };
            let patience = match (&seen, &tail) {
                (Some(_), _) => MISSING,
                (None, Some(_)) => UNSEEN,
                (None, None) => ALONE,
            };
            if let Some(events) = seen.flatten() {
                heard = Instant::now();
                for (id, event) in events {
                    let last = matches!(event, TurnEvent::Done { .. } | TurnEvent::Error { .. });
                    after = Some(id);
                    yield Event { id: Some(id), event };
                    if last {
                        return;
                    }
                }
            }
            if asked.elapsed() >= ASK {
                asked = Instant::now();
                match storage.as_ref().turn(&caller, turn).await {
                    Ok(state) => if let Some(turn) = state.finished {
                        yield Event { id: None, event: TurnEvent::Done { turn } };
                        return;
                    },
                    Err(error) if error.code == ErrorCode::Unavailable => {}
                    Err(error) => {
                        yield failed(&error);
                        return;
                    }
                }
                if heard.elapsed() >= patience {
                    yield failed(&interrupted());
                    return;
                }
            }
            sleep(LOOK).await;
        }
    }
    .boxed()
}

fn interrupted() -> ApiError {
    ApiError::new(
        ErrorCode::Interrupted,
        "nobody makes this answer any more; send the message again with the same idempotency key",
    )
}

fn failed(error: &ApiError) -> Event {
    Event {
        id: None,
        event: TurnEvent::Error {
            error: error.detail(),
        },
    }
}
