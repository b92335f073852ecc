//! Turns: each message once, in order, answered by the newest attempt.

use chatbot_storage::service::Error;
use chatbot_storage::store;
use futures::future::join_all;
use uuid::Uuid;

use crate::backend::{Backend, suite};
use crate::fixture::Fixture;

suite!(
    a_turn_is_a_message_and_its_answer,
    a_turn_is_read_whole_once_it_is_answered_and_by_its_user_alone,
    the_same_key_stores_a_message_once_and_counts_attempts,
    the_same_key_at_the_same_time_stores_a_message_once,
    a_key_with_another_message_is_refused,
    a_key_belongs_to_one_user,
    messages_of_one_conversation_at_the_same_time_have_no_gap_and_no_double,
    only_the_newest_attempt_may_answer_and_only_once,
    what_belongs_to_another_user_does_not_exist,
    a_message_has_one_to_thirty_two_thousand_characters,
);

async fn a_turn_is_a_message_and_its_answer<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = fixture.begin(None, "k1", "hello").await.unwrap();
    assert_eq!(
        (begun.message.seq, begun.attempt, begun.history.len()),
        (1, 1, 0)
    );
    let turn = fixture
        .answer(begun.message.turn_id, 1, "hi")
        .await
        .unwrap();
    assert_eq!((turn.answer.seq, turn.answer.content.as_str()), (2, "hi"));
    assert_eq!(turn.answer.model.as_deref(), Some("test-model"));

    let conversation = begun.message.conversation_id;
    let next = fixture
        .begin(Some(conversation), "k2", "and then?")
        .await
        .unwrap();
    let history: Vec<_> = next
        .history
        .iter()
        .map(|message| message.content.as_str())
        .collect();
    assert_eq!((next.message.seq, history), (3, vec!["hello", "hi"]));
    assert_eq!(fixture.messages(conversation).await.len(), 3);
}

async fn a_turn_is_read_whole_once_it_is_answered_and_by_its_user_alone<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    let id = begun.message.turn_id;
    let read = async || fixture.all.turn(fixture.user, id).await.unwrap().finished;
    assert!(read().await.is_none());
    let turn = fixture.answer(id, 1, "hi").await.unwrap();
    assert_eq!(*read().await.unwrap(), turn);
    let stranger = fixture.all.turn(Uuid::now_v7(), id).await;
    assert!(matches!(
        stranger,
        Err(Error::Store(store::Error::NotFound))
    ));
}

async fn the_same_key_stores_a_message_once_and_counts_attempts<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let first = fixture.begin(None, "k", "hello").await.unwrap();
    let second = fixture.begin(None, "k", "hello").await.unwrap();
    assert_eq!(second.message, first.message);
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(
        fixture.messages(first.message.conversation_id).await.len(),
        1
    );
}

async fn the_same_key_at_the_same_time_stores_a_message_once<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = join_all((0..8).map(|_| fixture.begin(None, "k", "hello"))).await;
    let begun: Vec<_> = begun.into_iter().map(Result::unwrap).collect();
    let mut attempts: Vec<_> = begun.iter().map(|begun| begun.attempt).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(begun.iter().all(|other| other.message == begun[0].message));
}

async fn a_key_with_another_message_is_refused<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    fixture.begin(None, "k", "hello").await.unwrap();
    let refused = fixture.begin(None, "k", "something else").await;
    assert!(matches!(
        refused,
        Err(Error::Store(store::Error::KeyReused))
    ));
}

async fn a_key_belongs_to_one_user<B: Backend>() {
    let mut fixture = Fixture::<B>::new().await;
    let first = fixture.begin(None, "k", "hello").await.unwrap();
    fixture.user = Uuid::now_v7();
    let second = fixture.begin(None, "k", "hello").await.unwrap();
    assert_ne!(first.message.id, second.message.id);
}

async fn messages_of_one_conversation_at_the_same_time_have_no_gap_and_no_double<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let first = fixture.begin(None, "first", "hello").await.unwrap();
    let conversation = first.message.conversation_id;
    let fixture = &fixture;
    let begun = join_all((0..16).map(|number| async move {
        fixture
            .begin(
                Some(conversation),
                &format!("k{number}"),
                &format!("m{number}"),
            )
            .await
            .unwrap()
    }))
    .await;
    let mut seqs: Vec<_> = begun.iter().map(|begun| begun.message.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (2..=17).collect::<Vec<_>>());
    for begun in begun {
        // The history is everything before the message: nothing committed earlier is missing.
        let before: Vec<_> = begun.history.iter().map(|message| message.seq).collect();
        assert_eq!(before, (1..begun.message.seq).collect::<Vec<_>>());
    }
}

async fn only_the_newest_attempt_may_answer_and_only_once<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    let turn = begun.message.turn_id;
    fixture.begin(None, "k", "hello").await.unwrap();
    assert!(matches!(
        fixture.answer(turn, 1, "old").await,
        Err(Error::Store(store::Error::Superseded))
    ));
    assert!(matches!(
        fixture.answer(turn, 3, "new").await,
        Err(Error::Store(store::Error::NoSuchAttempt))
    ));
    let stored = fixture.answer(turn, 2, "right").await.unwrap();
    let again = fixture.answer(turn, 2, "another text").await.unwrap();
    assert_eq!(again, stored);
    assert!(matches!(
        fixture.answer(turn, 1, "old").await,
        Err(Error::Store(store::Error::Superseded))
    ));
    let finished = fixture.begin(None, "k", "hello").await.unwrap();
    assert_eq!(finished.finished.as_deref(), Some(&stored));
    assert_eq!(
        finished.attempt, 2,
        "an answered turn has no further attempts"
    );
    assert_eq!(
        fixture.messages(begun.message.conversation_id).await.len(),
        2
    );
}

async fn what_belongs_to_another_user_does_not_exist<B: Backend>() {
    let mut fixture = Fixture::<B>::new().await;
    let begun = fixture.begin(None, "k", "hello").await.unwrap();
    let conversation = begun.message.conversation_id;
    fixture.user = Uuid::now_v7();
    fixture.begin(None, "own", "my own").await.unwrap();
    let gone = |error: Error| matches!(error, Error::Store(store::Error::NotFound));
    assert!(gone(
        fixture
            .begin(Some(conversation), "k2", "x")
            .await
            .unwrap_err()
    ));
    assert!(gone(
        fixture
            .answer(begun.message.turn_id, 1, "x")
            .await
            .unwrap_err()
    ));
    assert!(gone(
        fixture
            .all
            .get(fixture.user, conversation)
            .await
            .unwrap_err()
    ));
    assert!(gone(
        fixture
            .all
            .messages(fixture.user, conversation, None, None)
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
}

async fn a_message_has_one_to_thirty_two_thousand_characters<B: Backend>() {
    let fixture = Fixture::<B>::new().await;
    assert!(fixture.begin(None, "k1", &"ä".repeat(32_000)).await.is_ok());
    assert!(matches!(
        fixture.begin(None, "k2", &"ä".repeat(32_001)).await,
        Err(Error::TooLarge(32_001))
    ));
    assert!(matches!(
        fixture.begin(None, "k3", "").await,
        Err(Error::Invalid {
            field: "message",
            ..
        })
    ));
}
