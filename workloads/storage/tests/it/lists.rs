//! Lists, pages and deletion.

use chatbot_storage::service::Error;
use chatbot_storage::store;
use uuid::Uuid;

use crate::backend::{Backend, literal, suite};
use crate::fixture::Fixture;

suite!(
    conversations_are_listed_by_last_change_page_by_page,
    messages_are_read_in_order_page_by_page,
    a_user_without_conversations_has_an_empty_list,
    a_deleted_conversation_is_gone_and_a_late_retry_does_not_bring_it_back,
);

async fn conversations_are_listed_by_last_change_page_by_page<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
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
    for (number, id) in ids.iter().enumerate() {
        let (time, id) = (if number == 0 { 100 } else { number }, literal(*id));
        let statement = format!("UPDATE conversations SET updated_at = {time} WHERE id = {id}");
        fixture.backend.execute(statement).await;
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

async fn messages_are_read_in_order_page_by_page<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
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

async fn a_user_without_conversations_has_an_empty_list<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let page = fixture.all.list(Uuid::now_v7(), None, None).await.unwrap();
    assert!(page.data.is_empty() && page.next_cursor.is_none());
}

async fn a_deleted_conversation_is_gone_and_a_late_retry_does_not_bring_it_back<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
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
    for table in ["conversations", "messages", "turns"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(fixture.backend.number(count).await, 0, "{table}");
    }
}
