//! Lists, pages and deletion.

use chatbot_storage::service::Error;
use chatbot_storage::store::{self, Store as _};
use uuid::Uuid;

use crate::fixture::Fixture;

#[tokio::test]
async fn conversations_are_listed_by_last_change_page_by_page() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let begun = fixture
            .begin(
                None,
                &format!("k{number}"),
                &format!("conversation {number}"),
            )
            .await
            .unwrap();
        ids.push(begun.message.conversation_id);
    }
    // The oldest becomes the newest, whatever the clock's resolution.
    let mut sql = fixture.sql().await;
    for (number, id) in ids.iter().enumerate() {
        let time = if number == 0 {
            100_i64
        } else {
            i64::try_from(number).unwrap()
        };
        sqlx::query("UPDATE conversations SET updated_at = ? WHERE id = ?")
            .bind(time)
            .bind(id)
            .execute(&mut sql)
            .await
            .unwrap();
    }
    let expected = [ids[0], ids[4], ids[3], ids[2], ids[1]];
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = fixture
            .all
            .list(fixture.user, cursor.as_deref(), Some(2))
            .await
            .unwrap();
        seen.extend(page.data.iter().map(|conversation| conversation.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let first = fixture.all.get(fixture.user, ids[0]).await.unwrap();
    assert_eq!(
        (first.title.as_str(), first.last_seq),
        ("conversation 0", 1)
    );
}

#[tokio::test]
async fn messages_are_read_in_order_page_by_page() {
    let fixture = Fixture::new().await;
    let conversation = fixture
        .begin(None, "k0", "m0")
        .await
        .unwrap()
        .message
        .conversation_id;
    for number in 1..5 {
        fixture
            .begin(
                Some(conversation),
                &format!("k{number}"),
                &format!("m{number}"),
            )
            .await
            .unwrap();
    }
    let first = fixture
        .all
        .messages(fixture.user, conversation, None, Some(3))
        .await
        .unwrap();
    let rest = fixture
        .all
        .messages(
            fixture.user,
            conversation,
            first.next_cursor.as_deref(),
            Some(3),
        )
        .await
        .unwrap();
    assert_eq!(rest.next_cursor, None);
    let texts: Vec<_> = first
        .data
        .iter()
        .chain(&rest.data)
        .map(|message| message.content.as_str())
        .collect();
    assert_eq!(texts, ["m0", "m1", "m2", "m3", "m4"]);
    let wrong = fixture
        .all
        .messages(fixture.user, conversation, Some("nonsense"), None)
        .await;
    assert!(matches!(
        wrong,
        Err(Error::Invalid {
            field: "cursor",
            ..
        })
    ));
}

#[tokio::test]
async fn a_user_without_conversations_has_an_empty_list() {
    let fixture = Fixture::new().await;
    let page = fixture.all.list(Uuid::now_v7(), None, None).await.unwrap();
    assert!(page.data.is_empty() && page.next_cursor.is_none());
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_and_a_late_retry_does_not_bring_it_back() {
    let fixture = Fixture::new().await;
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    let conversation = begun.message.conversation_id;
    fixture
        .all
        .delete(fixture.user, conversation)
        .await
        .unwrap();
    let gone = |error: Error| matches!(error, Error::Store(store::Error::NotFound));
    assert!(gone(fixture.begin(None, "k", "hello").await.unwrap_err()));
    assert!(gone(
        fixture
            .begin(Some(conversation), "k2", "hello")
            .await
            .unwrap_err()
    ));
    assert!(gone(
        fixture
            .answer(begun.message.turn_id, 1, "late")
            .await
            .unwrap_err()
    ));
    assert!(gone(
        fixture
            .all
            .delete(fixture.user, conversation)
            .await
            .unwrap_err()
    ));
    assert!(
        fixture
            .all
            .list(fixture.user, None, None)
            .await
            .unwrap()
            .data
            .is_empty()
    );
    let mut sql = fixture.sql().await;
    for table in ["conversations", "messages", "turns"] {
        let count: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
                .fetch_one(&mut sql)
                .await
                .unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[tokio::test]
async fn a_conversation_larger_than_a_batch_is_deleted_whole_and_a_cut_off_deletion_is_ended() {
    let fixture = Fixture::new().await;
    let conversation = fixture
        .begin(None, "k", "hello")
        .await
        .unwrap()
        .message
        .conversation_id;
    let mut sql = fixture.sql().await;
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, turn_id, role, content, created_at) \
         WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 900) \
         SELECT ?, a.n * 1000 + b.n, UUID_TO_BIN(UUID()), UUID_TO_BIN(UUID()), 1, '', 0 FROM n a JOIN n b ON a.n < 5 AND b.n < 900",
    )
    .bind(conversation)
    .execute(&mut sql)
    .await
    .unwrap();
    // As a process leaves it that dies after the first step.
    sqlx::query("UPDATE conversations SET deleted_at = 1")
        .execute(&mut sql)
        .await
        .unwrap();
    assert_eq!(fixture.all.store().sweep().await.unwrap(), 1);
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(fixture.all.store().sweep().await.unwrap(), 0);
}
