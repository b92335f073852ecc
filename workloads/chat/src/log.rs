//! The events of one attempt at an answer, in this process: written once, read from any place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chatbot_api::turns::{EventId, TurnEvent};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// An event as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it can be named by; an answer that comes from its record has no ids.
    pub id: Option<EventId>,
    /// What happened.
    pub event: TurnEvent,
}

/// What happens in a turn, to the end.
pub type Events = BoxStream<'static, Event>;

/// The events so far. It holds at most one answer, so it needs no other bound.
pub struct Log {
    user: Uuid,
    attempt: u32,
    events: Mutex<Vec<TurnEvent>>,
    length: watch::Receiver<usize>,
    ended: AtomicBool,
    cancelled: CancellationToken,
}

/// The one that writes; when it is gone, nothing more comes.
pub(crate) struct Writer {
    log: Arc<Log>,
    length: watch::Sender<usize>,
}

impl Log {
    /// Whose turn it is.
    pub(crate) fn user(&self) -> Uuid {
        self.user
    }

    /// Which attempt it is.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Asks the one that writes to come to its end.
    pub(crate) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Waits until that is asked.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// At most `most` events after the first `from`.
    pub(crate) fn slice(&self, from: usize, most: usize) -> Vec<TurnEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().skip(from).take(most).cloned().collect()
    }

    /// Number of events.
    pub(crate) fn length(&self) -> usize {
        *self.length.borrow()
    }

    /// Waits until there are more events than `than`; `false` when no more will come.
    pub(crate) async fn longer(&self, than: usize) -> bool {
        let mut length = self.length.clone();
        // A writer that is gone may have written before it went.
        length.wait_for(|now| *now > than).await.is_ok() || self.length() > than
    }

    /// Whether no more events will come.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The events after the one named, to the end.
    pub(crate) fn read(self: &Arc<Self>, after: Option<EventId>) -> Events {
        let after = after.filter(|id| id.attempt == self.attempt);
        let from = after.map_or(0, |id| usize::try_from(id.place).unwrap_or(usize::MAX));
        let log = Arc::clone(self);
        stream::unfold(from, move |place| {
            let log = Arc::clone(&log);
            async move {
                if !log.longer(place).await {
                    return None;
                }
                let event = log.slice(place, 1).pop()?;
                Some((log.named(place, event), place + 1))
            }
        })
        .boxed()
    }

    /// The event that comes after the first `before` ones.
    fn named(&self, before: usize, event: TurnEvent) -> Event {
        Event {
            id: Some(self.id(before)),
            event,
        }
    }

    /// The id of the event that comes after the first `before` ones.
    pub(crate) fn id(&self, before: usize) -> EventId {
        EventId {
            attempt: self.attempt,
            place: u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1),
        }
    }
}

impl Writer {
    /// Makes the empty log of an attempt.
    pub(crate) fn new(user: Uuid, attempt: u32) -> Self {
        let (length, follow) = watch::channel(0);
        let log = Arc::new(Log {
            user,
            attempt,
            events: Mutex::default(),
            length: follow,
            ended: AtomicBool::new(false),
            cancelled: CancellationToken::new(),
        });
        Self { log, length }
    }

    /// The log, for readers.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Adds an event.
    pub(crate) fn push(&self, event: TurnEvent) {
        let mut events = self
            .log
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        events.push(event);
        self.length.send_replace(events.len());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.log.ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use chatbot_api::turns::{EventId, TurnEvent};
    use futures::StreamExt as _;
    use uuid::Uuid;

    use super::Writer;

    fn delta(text: &str) -> TurnEvent {
        TurnEvent::Delta {
            content: text.to_owned(),
        }
    }

    fn written(texts: &[&str]) -> Writer {
        let writer = Writer::new(Uuid::nil(), 2);
        for text in texts {
            writer.push(delta(text));
        }
        writer
    }

    async fn read(writer: Writer, after: Option<(u32, u64)>) -> Vec<(String, TurnEvent)> {
        let after = after.map(|(attempt, place)| EventId { attempt, place });
        let events = writer.log().read(after);
        drop(writer);
        events
            .map(|event| {
                (
                    event.id.map_or_else(String::new, |id| id.to_string()),
                    event.event,
                )
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn a_reader_goes_on_after_what_it_saw() {
        let seen = read(written(&["a", "b", "c"]), Some((2, 2))).await;
        assert_eq!(seen, [("2-3".to_owned(), delta("c"))]);
        assert!(read(written(&["a"]), Some((2, 9))).await.is_empty());
    }

    #[tokio::test]
    async fn what_was_seen_of_an_older_attempt_counts_for_nothing() {
        let seen = read(written(&["a", "b"]), Some((1, 2))).await;
        assert_eq!(seen[0], ("2-1".to_owned(), delta("a")));
    }

    #[tokio::test]
    async fn a_reader_gets_what_is_written_while_it_waits() {
        let writer = written(&["a"]);
        let mut events = writer.log().read(None);
        assert_eq!(events.next().await.map(|e| e.event), Some(delta("a")));
        let (next, ()) = tokio::join!(events.next(), async { writer.push(delta("b")) });
        assert_eq!(next.map(|event| event.event), Some(delta("b")));
        drop(writer);
        assert_eq!(events.next().await, None);
    }
}
