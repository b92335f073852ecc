//! The log of events inside one process: nothing is kept, whoever follows is told.

use std::sync::{Mutex, PoisonError};

use chatbot_contract::events::Topic;
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::{Entry, Error, EventLog, Record};

/// The log of one process. What was appended dies with it, as does whoever could have read it.
#[derive(Default)]
pub struct InProcessLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    appended: u64,
    followers: Vec<(Topic, mpsc::UnboundedSender<Entry>)>,
}

impl EventLog for InProcessLog {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Vec<Result<(), Error>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut results = Vec::with_capacity(records.len());
        for record in records {
            let entry = Entry {
                record,
                origin: format!("0/{}", state.appended),
            };
            state.appended += 1;
            // Those who are gone are forgotten on the way.
            state
                .followers
                .retain(|(of, sender)| *of != topic || sender.send(entry.clone()).is_ok());
            results.push(Ok(()));
        }
        future::ready(results).boxed()
    }

    fn follow(&self, topic: Topic) -> BoxFuture<'_, BoxStream<'static, Entry>> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .followers
            .push((topic, sender));
        future::ready(stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()).boxed()
    }
}
