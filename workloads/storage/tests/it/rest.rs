//! What is in the database at rest, and the schema.

use chatbot_runtime::mysql::migrate;
use chatbot_storage::MIGRATIONS;
use chatbot_storage::service::Error;
use chatbot_storage::{crypto, store};

use crate::fixture::Fixture;

#[tokio::test]
async fn nothing_a_user_wrote_can_be_read_in_the_database() {
    let fixture = Fixture::new().await;
    let begun = fixture
        .begin(None, "k", "the secret of the crab")
        .await
        .unwrap();
    fixture
        .answer(begun.message.turn_id, 1, "it is a secret of the crab")
        .await
        .unwrap();
    let mut sql = fixture.sql().await;
    let found: i64 = sqlx::query_scalar(
        "SELECT (SELECT COUNT(*) FROM messages WHERE LOCATE('crab', content) > 0) \
              + (SELECT COUNT(*) FROM conversations WHERE LOCATE('crab', title) > 0)",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert_eq!(found, 0);
    let stored: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert_eq!(stored, 2);
}

#[tokio::test]
async fn a_row_that_was_exchanged_for_another_is_noticed() {
    let fixture = Fixture::new().await;
    let first = fixture.begin(None, "k1", "one").await.unwrap().message;
    let second = fixture
        .begin(Some(first.conversation_id), "k2", "two")
        .await
        .unwrap()
        .message;
    let mut sql = fixture.sql().await;
    sqlx::query(
        "UPDATE messages SET content = (SELECT content FROM (SELECT * FROM messages) AS m WHERE m.id = ?) WHERE id = ?",
    )
    .bind(first.id)
    .bind(second.id)
    .execute(&mut sql)
    .await
    .unwrap();
    let read = fixture
        .all
        .messages(fixture.user, first.conversation_id, None, None)
        .await;
    assert!(matches!(
        read,
        Err(Error::Crypto(crypto::Error::NotAuthentic))
    ));
}

#[tokio::test]
async fn without_the_users_key_nothing_can_be_read() {
    let fixture = Fixture::new().await;
    let message = fixture.begin(None, "k", "hello").await.unwrap().message;
    let other = fixture.another_process();
    assert!(
        other
            .messages(fixture.user, message.conversation_id, None, None)
            .await
            .is_ok()
    );
    sqlx::query("DELETE FROM user_keys")
        .execute(&mut fixture.sql().await)
        .await
        .unwrap();
    let later = fixture.another_process();
    let read = later
        .messages(fixture.user, message.conversation_id, None, None)
        .await;
    assert!(matches!(read, Err(Error::Store(store::Error::NotFound))));
}

#[tokio::test]
async fn migrations_run_again_without_harm_after_being_cut_off_and_beside_a_newer_release() {
    let fixture = Fixture::new().await;
    let message = fixture.begin(None, "k", "hello").await.unwrap().message;
    let mut sql = fixture.sql().await;
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
    migrate(&fixture.database, &MIGRATIONS).await.unwrap();
    assert_eq!(fixture.messages(message.conversation_id).await, [message]);
}
