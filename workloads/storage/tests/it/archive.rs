//! The archive follows what is stored, whatever dies and whatever is told again.

mod kafka;

use std::time::Duration;

use chatbot_contract::Workload;
use chatbot_contract::events::Event;
use chatbot_runtime::events::Handler as _;
use chatbot_runtime::metrics::Metrics;
use chatbot_storage::archive::{Archive, Difference, Rebuilt};
use chatbot_storage::documents::{
    DayNumbers, Documents, Position, Retention, SqliteDocuments, Transcript,
};
use chatbot_storage::store::outbox::{BUCKETS, Outbox as _};
use tempfile::TempDir;
use uuid::Uuid;

use crate::backend::{Backend, suite};
use crate::documents::backend::on_sqlite;
use crate::fixture::Fixture;

suite!(
    what_is_stored_is_archived_as_it_is_sealed,
    events_told_again_change_nothing,
    what_is_deleted_before_it_is_archived_is_never_archived,
    a_rebuild_makes_the_archive_what_it_should_be,
    what_is_older_than_what_is_kept_is_neither_archived_nor_missed,
    the_way_of_each_message_to_the_archive_is_counted,
);

/// What is stored, and an archive of it in a file.
struct Archived<B: Backend> {
    fixture: Fixture<B>,
    documents: SqliteDocuments,
    archive: Archive<B::Store, SqliteDocuments>,
    _folder: TempDir,
}

impl<B: Backend> Archived<B> {
    async fn new(retention: Retention) -> Self {
        let fixture = Fixture::<B>::new().await;
        let folder = tempfile::tempdir().unwrap();
        let documents = on_sqlite(&folder).await;
        let store = fixture.backend.store();
        Self {
            archive: Archive::new(store, documents.clone(), retention),
            fixture,
            documents,
            _folder: folder,
        }
    }

    /// Stores a turn; gives its conversation.
    async fn turn(&self, key: &str) -> Uuid {
        let begun = self.fixture.begin(None, key, "my secret").await.unwrap();
        let turn = begun.message.turn_id;
        self.fixture.answer(turn, 1, "an answer").await.unwrap();
        begun.message.conversation_id
    }

    async fn delete(&self, conversation: Uuid) {
        let user = self.fixture.user;
        self.fixture.all.delete(user, conversation).await.unwrap();
    }

    /// Every event that was ever told.
    async fn events(&self) -> Vec<Event> {
        let every_bucket: Vec<_> = (0..BUCKETS).collect();
        let rows = self.fixture.backend.store();
        let rows = rows.waiting(&every_bucket, 10_000).await.unwrap();
        rows.iter()
            .map(|row| serde_json::from_slice(&row.event).unwrap())
            .collect()
    }

    async fn differences(&self) -> Vec<Difference> {
        let verified = self.archive.verify(Duration::ZERO).await.unwrap();
        verified.differences
    }
}

/// All that can be read of an archive.
async fn content(documents: &impl Documents) -> (Vec<Transcript>, Vec<DayNumbers>) {
    documents.compute(None).await.unwrap();
    let transcripts = documents.after(Position::START, 10_000).await.unwrap();
    (transcripts, documents.numbers().await.unwrap())
}

async fn what_is_stored_is_archived_as_it_is_sealed<B: Backend>() {
    let archived = Archived::<B>::new(Retention::default()).await;
    let conversation = archived.turn("k").await;
    archived
        .archive
        .handle(&archived.events().await)
        .await
        .unwrap();
    assert_eq!(archived.differences().await, []);

    let (transcripts, numbers) = content(&archived.documents).await;
    assert_eq!(transcripts.len(), 2);
    for transcript in &transcripts {
        assert_eq!(transcript.user_id, archived.fixture.user);
        assert_eq!(transcript.position().conversation, conversation);
        let sealed = &transcript.message.content;
        assert!(
            !sealed
                .windows(6)
                .any(|part| part == b"secret" || part == b"answer")
        );
    }
    assert_eq!(transcripts[0].usage, None);
    let tokens = transcripts[1].usage.unwrap();
    assert_eq!((tokens.prompt_tokens, tokens.completion_tokens), (3, 5));
    assert_eq!((numbers[0].users, numbers[0].usage.turns), (1, 1));
}

async fn the_way_of_each_message_to_the_archive_is_counted<B: Backend>() {
    let archived = Archived::<B>::new(Retention::default()).await;
    let metrics = Metrics::new(Workload::Storage);
    let archive = archived.archive.clone().measured(&metrics);
    archived.turn("k").await;
    archive.handle(&archived.events().await).await.unwrap();
    // Nobody waits for what is made again.
    archive.rebuild(|_| ()).await.unwrap();

    let text = metrics.text();
    let counted = r#"chatbot_archive_delay_seconds_count{workload="storage"} 2"#;
    assert!(text.contains(counted), "{text}");
    let mut lines = text.lines();
    let minutes = lines.find(|line| line.contains(r#"le="600.0""#)).unwrap();
    assert!(minutes.ends_with(" 2"), "{text}");
}

async fn events_told_again_change_nothing<B: Backend>() {
    let archived = Archived::<B>::new(Retention::default()).await;
    let gone = archived.turn("gone").await;
    archived.turn("kept").await;
    let early = archived.events().await;
    archived.archive.handle(&early).await.unwrap();
    archived.delete(gone).await;
    let all = archived.events().await;
    archived.archive.handle(&all[early.len()..]).await.unwrap();
    let before = content(&archived.documents).await;
    assert_eq!((before.0.len(), before.1[0].usage.turns), (2, 1));

    // The whole log, and then a part of it that ends before the deletion, as a slow process has it.
    archived.archive.handle(&all).await.unwrap();
    assert_eq!(content(&archived.documents).await, before);
    archived.archive.handle(&early).await.unwrap();
    assert_eq!(content(&archived.documents).await, before);
    assert_eq!(archived.differences().await, []);
}

async fn what_is_deleted_before_it_is_archived_is_never_archived<B: Backend>() {
    let archived = Archived::<B>::new(Retention::default()).await;
    let conversation = archived.turn("k").await;
    // Read by a process that writes it only after the deletion was handled by another one.
    let (source, other) = (archived.fixture.backend.store(), on_sqlite_beside().await);
    let slow = Archive::new(source, other.1.clone(), Retention::default());
    slow.handle(&archived.events().await).await.unwrap();
    let (read, _) = content(&other.1).await;

    archived.delete(conversation).await;
    archived
        .archive
        .handle(&archived.events().await)
        .await
        .unwrap();
    archived
        .documents
        .put(&read, Retention::default())
        .await
        .unwrap();
    assert_eq!(content(&archived.documents).await.0, []);
}

async fn on_sqlite_beside() -> (TempDir, SqliteDocuments) {
    let folder = tempfile::tempdir().unwrap();
    let documents = on_sqlite(&folder).await;
    (folder, documents)
}

async fn a_rebuild_makes_the_archive_what_it_should_be<B: Backend>() {
    let archived = Archived::<B>::new(Retention::default()).await;
    let changed = archived.turn("changed").await;
    let extra = archived.turn("extra").await;
    let events = archived.events().await;
    archived.archive.handle(&events).await.unwrap();
    let missing = archived.turn("missing").await;
    archived.delete(extra).await;
    let (mut transcripts, _) = content(&archived.documents).await;
    transcripts.retain(|transcript| transcript.position().conversation == changed);
    transcripts[0].message.content = b"something else".to_vec();
    archived
        .documents
        .put(&transcripts[..1], Retention::default())
        .await
        .unwrap();

    let at = |conversation, seq| Position { conversation, seq };
    let mut expected = [
        Difference::Changed(at(changed, 1)),
        Difference::Extra(at(extra, 1)),
        Difference::Extra(at(extra, 2)),
        Difference::Missing(at(missing, 1)),
        Difference::Missing(at(missing, 2)),
    ];
    expected.sort_by_key(|difference| difference.position());
    assert_eq!(archived.differences().await, expected);

    let rebuilt = archived.archive.rebuild(|_| ()).await.unwrap();
    let everything = Rebuilt {
        read: 4,
        removed: 2,
    };
    assert_eq!(rebuilt, everything);
    assert_eq!(archived.differences().await, []);
    let (_, numbers) = content(&archived.documents).await;
    assert_eq!(numbers[0].usage.turns, 2);

    let again = archived.archive.rebuild(|_| ()).await.unwrap();
    assert_eq!((again.read, again.removed), (4, 0));
}

async fn what_is_older_than_what_is_kept_is_neither_archived_nor_missed<B: Backend>() {
    let archived = Archived::<B>::new(Retention::new(std::num::NonZeroU32::new(1))).await;
    let old = archived.turn("old").await;
    archived.turn("new").await;
    let two_days = 2 * 24 * 60 * 60 * 1_000;
    let old = crate::backend::literal(old);
    archived
        .fixture
        .backend
        .execute(format!(
            "UPDATE messages SET created_at = created_at - {two_days} WHERE conversation_id = {old}"
        ))
        .await;
    archived
        .archive
        .handle(&archived.events().await)
        .await
        .unwrap();
    assert_eq!(content(&archived.documents).await.0.len(), 2);
    assert_eq!(archived.differences().await, []);
}
