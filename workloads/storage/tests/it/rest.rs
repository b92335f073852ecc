//! What is in the database at rest.

use chatbot_storage::service::Error;
use chatbot_storage::{crypto, store};

use crate::backend::{Backend, literal, suite};
use crate::fixture::Fixture;

suite!(
    nothing_a_user_wrote_can_be_read_in_the_database,
    a_row_that_was_exchanged_for_another_is_noticed,
    without_the_users_key_nothing_can_be_read,
);

async fn nothing_a_user_wrote_can_be_read_in_the_database<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = fixture
        .begin(None, "k", "the secret of the crab")
        .await
        .unwrap();
    fixture
        .answer(begun.message.turn_id, 1, "it is a secret of the crab")
        .await
        .unwrap();
    // As bytes, because ciphertext is no text.
    let crab = "X'63726162'";
    for (table, column, rows) in [("messages", "content", 2), ("conversations", "title", 1)] {
        let all = format!("SELECT COUNT(*) FROM {table}");
        let found = format!("{all} WHERE INSTR({column}, {crab}) > 0");
        assert_eq!(fixture.backend.number(all).await, rows, "{table}");
        assert_eq!(fixture.backend.number(found).await, 0, "{table}");
    }
}

async fn a_row_that_was_exchanged_for_another_is_noticed<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let first = fixture.begin(None, "k1", "one").await.unwrap().message;
    let second = fixture
        .begin(Some(first.conversation_id), "k2", "two")
        .await
        .unwrap()
        .message;
    let (one, two) = (literal(first.id), literal(second.id));
    let exchange = format!(
        "UPDATE messages SET content = (SELECT content FROM (SELECT * FROM messages) AS m WHERE m.id = {one}) \
         WHERE id = {two}"
    );
    fixture.backend.execute(exchange).await;
    let read = fixture
        .all
        .messages(fixture.user, first.conversation_id, None, None)
        .await;
    assert!(matches!(
        read,
        Err(Error::Crypto(crypto::Error::NotAuthentic))
    ));
}

async fn without_the_users_key_nothing_can_be_read<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let message = fixture.begin(None, "k", "hello").await.unwrap().message;
    let other = fixture.another_process();
    assert!(
        other
            .messages(fixture.user, message.conversation_id, None, None)
            .await
            .is_ok()
    );
    let erase = "DELETE FROM user_keys".to_owned();
    fixture.backend.execute(erase).await;
    let later = fixture.another_process();
    let read = later
        .messages(fixture.user, message.conversation_id, None, None)
        .await;
    assert!(matches!(read, Err(Error::Store(store::Error::NotFound))));
}
