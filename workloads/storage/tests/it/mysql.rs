//! What only MySQL can show: deletion in batches, and statements that commit by themselves.

use chatbot_runtime::mysql::migrate;
use chatbot_storage::MIGRATIONS;
use chatbot_storage::store::Store as _;

use crate::backend::OnMysql;
use crate::fixture::Fixture;

#[tokio::test]
async fn a_conversation_larger_than_a_batch_is_deleted_whole_and_a_cut_off_deletion_is_ended() {
    let fixture = Fixture::<OnMysql>::new().await;
    let conversation = fixture
        .begin(None, "k", "hello")
        .await
        .unwrap()
        .message
        .conversation_id;
    let mut sql = fixture.backend.sql().await;
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

#[tokio::test]
async fn migrations_run_again_without_harm_after_being_cut_off_and_beside_a_newer_release() {
    let fixture = Fixture::<OnMysql>::new().await;
    let message = fixture.begin(None, "k", "hello").await.unwrap().message;
    let mut sql = fixture.backend.sql().await;
    sqlx::query("UPDATE _sqlx_migrations SET success = FALSE WHERE version = 3")
        .execute(&mut sql)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of a newer release', TRUE, '', 0)",
    )
    .execute(&mut sql)
    .await
    .unwrap();
    migrate(&fixture.backend.database, &MIGRATIONS)
        .await
        .unwrap();
    assert_eq!(fixture.messages(message.conversation_id).await, [message]);
}
