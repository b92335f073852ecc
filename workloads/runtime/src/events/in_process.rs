//! The log of events inside one process: nothing is kept, whoever follows is told.
//!
//! What a group has to handle is kept by whoever appends: a record counts as taken only when every
//! group has acknowledged it, so a row of the outbox stays in the database until then.

use std::sync::{Mutex, PoisonError};

use chatbot_contract::events::{Group, Topic};
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::{Batch, Entry, Error, EventLog, Record};

/// The log of one process. What was appended dies with it, as does whoever could have read it.
#[derive(Default)]
pub struct InProcessLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    appended: u64,
    followers: Vec<(Topic, mpsc::UnboundedSender<Entry>)>,
    groups: Vec<(Topic, mpsc::UnboundedSender<Batch>)>,
}

impl EventLog for InProcessLog {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Vec<Result<(), Error>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::with_capacity(records.len());
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
            entries.push(entry);
        }
        let number = entries.len();
        let acknowledged: Vec<_> = state
            .groups
            .iter()
            .filter(|(of, _)| *of == topic)
            .map(|(_, group)| {
                let (batch, acknowledged) = Batch::new(entries.clone());
                // A group that is gone gives its batch up at once, and is not forgotten.
                let _ = group.send(batch);
                acknowledged
            })
            .collect();
        drop(state);
        async move {
            match future::try_join_all(acknowledged).await {
                Ok(_) => vec![Ok(()); number],
                Err(_) => vec![Err(Error::Ended); number],
            }
        }
        .boxed()
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

    /// There is one member of each group, since there is one process. The lag is the outbox's.
    fn take_part(
        &self,
        topic: Topic,
        _group: Group,
        _lag: Box<dyn Fn(i64) + Send + Sync>,
    ) -> BoxStream<'static, Batch> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .groups
            .push((topic, sender));
        stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
    }
}
