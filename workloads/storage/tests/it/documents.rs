//! The document stores: one suite for each of them.

pub(crate) mod backend;
mod tls;

use std::num::NonZeroU32;
use std::time::Duration;

use chatbot_api::conversations::Role;
use chatbot_api::turns::Usage;
use chatbot_contract::requests::{self, Request};
use chatbot_storage::documents::{DayUsage, Documents, Position, Retention, Transcript};
use chatbot_storage::store::MessageRow;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use uuid::Uuid;

use backend::suite;

suite!(
    what_was_written_is_found_in_order,
    writing_again_changes_nothing,
    what_was_removed_is_not_brought_back_by_a_late_write,
    a_removed_conversation_takes_nothing_of_another,
    usage_counts_answers_of_the_user_by_day_and_model,
    numbers_are_computed_from_what_is_there,
    numbers_of_days_that_expire_stay,
    what_has_expired_is_removed,
    what_was_removed_can_be_written_again_after_a_renewal,
    a_request_is_kept_once_until_it_expires,
);

const KEPT: Retention = Retention::new(None);

/// Nobody tells when a server has removed something: it is looked at again after this time.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn transcript(user: Uuid, conversation: Uuid, seq: u64, day: Date) -> Transcript {
    let answer = seq.is_multiple_of(2);
    let time = day.at(10, 0, 0, 0).in_tz("UTC").unwrap().timestamp();
    Transcript {
        message: MessageRow {
            id: Uuid::now_v7(),
            conversation_id: conversation,
            turn_id: Uuid::now_v7(),
            seq,
            role: if answer { Role::Assistant } else { Role::User },
            content: vec![1, 0, 255, u8::try_from(seq).unwrap()],
            model: answer.then(|| "m".to_owned()),
            created_at: time.as_millisecond(),
        },
        user_id: user,
        usage: answer.then_some(Usage {
            prompt_tokens: 3,
            completion_tokens: 5,
        }),
    }
}

/// A conversation with a turn on that day.
fn turn(user: Uuid, day: Date) -> Vec<Transcript> {
    let conversation = Uuid::now_v7();
    (1..=2)
        .map(|seq| transcript(user, conversation, seq, day))
        .collect()
}

fn used(day: Date, turns: u64) -> DayUsage {
    DayUsage {
        day,
        model: "m".to_owned(),
        turns,
        prompt_tokens: 3 * turns,
        completion_tokens: 5 * turns,
    }
}

async fn all(documents: &impl Documents) -> Vec<Transcript> {
    documents.after(Position::START, 1_000).await.unwrap()
}

const DAY: Date = date(2026, 11, 27);

async fn what_was_written_is_found_in_order<D: Documents>(documents: D) {
    let (user, conversation) = (Uuid::now_v7(), Uuid::now_v7());
    let mut written: Vec<_> = (1..=5)
        .map(|seq| transcript(user, conversation, seq, DAY))
        .collect();
    written.extend(turn(user, DAY));
    written.reverse();
    documents.put(&written, KEPT).await.unwrap();
    written.sort_by_key(Transcript::position);
    assert_eq!(all(&documents).await, written);

    let rest = documents.after(written[2].position(), 3).await.unwrap();
    assert_eq!(rest, written[3..6]);
}

async fn writing_again_changes_nothing<D: Documents>(documents: D) {
    let written = turn(Uuid::now_v7(), DAY);
    documents.put(&written, KEPT).await.unwrap();
    documents.compute(None).await.unwrap();
    let numbers = documents.numbers().await.unwrap();

    documents.put(&written, KEPT).await.unwrap();
    documents.compute(None).await.unwrap();
    assert_eq!(all(&documents).await, written);
    assert_eq!(documents.numbers().await.unwrap(), numbers);
}

async fn what_was_removed_is_not_brought_back_by_a_late_write<D: Documents>(documents: D) {
    let written = turn(Uuid::now_v7(), DAY);
    let conversation = written[0].message.conversation_id;
    let never = transcript(Uuid::now_v7(), conversation, 3, DAY);
    documents.put(&written, KEPT).await.unwrap();
    documents
        .remove_conversation(conversation, Timestamp::now())
        .await
        .unwrap();
    documents
        .remove(conversation, &[never.message.id], Timestamp::now())
        .await
        .unwrap();

    documents.put(&written, KEPT).await.unwrap();
    documents.put(&[never], KEPT).await.unwrap();
    assert_eq!(all(&documents).await, []);
}

async fn a_removed_conversation_takes_nothing_of_another<D: Documents>(documents: D) {
    let (one, other) = (turn(Uuid::now_v7(), DAY), turn(Uuid::now_v7(), DAY));
    documents.put(&one, KEPT).await.unwrap();
    documents.put(&other, KEPT).await.unwrap();
    let gone = one[0].message.conversation_id;
    documents
        .remove_conversation(gone, Timestamp::now())
        .await
        .unwrap();
    documents
        .remove_conversation(gone, Timestamp::now())
        .await
        .unwrap();
    assert_eq!(all(&documents).await, other);
}

async fn usage_counts_answers_of_the_user_by_day_and_model<D: Documents>(documents: D) {
    let user = Uuid::now_v7();
    let yesterday = DAY.yesterday().unwrap();
    for day in [DAY, DAY, yesterday, date(2026, 10, 1)] {
        documents.put(&turn(user, day), KEPT).await.unwrap();
    }
    documents
        .put(&turn(Uuid::now_v7(), DAY), KEPT)
        .await
        .unwrap();
    let mut unknown = turn(user, DAY);
    unknown[1].usage = None;
    documents.put(&unknown, KEPT).await.unwrap();

    let usage = documents.usage(user, yesterday, DAY).await.unwrap();
    let today = DayUsage {
        turns: 3,
        ..used(DAY, 2)
    };
    assert_eq!(usage, [used(yesterday, 1), today]);
}

async fn numbers_are_computed_from_what_is_there<D: Documents>(documents: D) {
    let user = Uuid::now_v7();
    let (one, two, other) = (turn(user, DAY), turn(user, DAY), turn(Uuid::now_v7(), DAY));
    for written in [&one, &two, &other] {
        documents.put(written, KEPT).await.unwrap();
    }
    documents.compute(None).await.unwrap();
    let numbers = documents.numbers().await.unwrap();
    assert_eq!((numbers.len(), numbers[0].users), (1, 2));
    assert_eq!(numbers[0].usage, used(DAY, 3));

    let gone = other[0].message.conversation_id;
    documents
        .remove_conversation(gone, Timestamp::now())
        .await
        .unwrap();
    let gone = [two[1].message.id];
    let conversation = two[0].message.conversation_id;
    documents
        .remove(conversation, &gone, Timestamp::now())
        .await
        .unwrap();
    documents.compute(None).await.unwrap();
    let numbers = documents.numbers().await.unwrap();
    assert_eq!((numbers.len(), numbers[0].users), (1, 1));
    assert_eq!(numbers[0].usage, used(DAY, 1));
}

async fn numbers_of_days_that_expire_stay<D: Documents>(documents: D) {
    let written = turn(Uuid::now_v7(), DAY);
    documents.put(&written, KEPT).await.unwrap();
    documents.compute(None).await.unwrap();
    let numbers = documents.numbers().await.unwrap();

    let gone = written[0].message.conversation_id;
    documents
        .remove_conversation(gone, Timestamp::now())
        .await
        .unwrap();
    let tomorrow = DAY.tomorrow().unwrap();
    documents.compute(Some(tomorrow)).await.unwrap();
    documents.compute(None).await.unwrap();
    assert_eq!(documents.numbers().await.unwrap(), numbers);
}

async fn what_has_expired_is_removed<D: Documents>(documents: D) {
    let week = Retention::new(NonZeroU32::new(7));
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let old = turn(Uuid::now_v7(), today.saturating_sub(Span::new().days(8)));
    let new = turn(Uuid::now_v7(), today.yesterday().unwrap());
    documents.put(&old, week).await.unwrap();
    documents.put(&new, week).await.unwrap();
    let unlimited = turn(Uuid::now_v7(), date(2026, 1, 1));
    documents.put(&unlimited, KEPT).await.unwrap();

    documents.expire(Timestamp::now()).await.unwrap();
    let mut left = [new, unlimited].concat();
    left.sort_by_key(Transcript::position);
    while all(&documents).await != left {
        tokio::time::sleep(PAUSE).await;
    }
}

async fn what_was_removed_can_be_written_again_after_a_renewal<D: Documents>(documents: D) {
    let written = turn(Uuid::now_v7(), DAY);
    documents.put(&written, KEPT).await.unwrap();
    let gone = written[0].message.conversation_id;
    documents
        .remove_conversation(gone, Timestamp::now())
        .await
        .unwrap();
    documents.renew().await.unwrap();
    documents.put(&written, KEPT).await.unwrap();
    documents.compute(None).await.unwrap();
    assert_eq!(all(&documents).await, written);
    let numbers = documents.numbers().await.unwrap();
    assert_eq!(numbers[0].usage, used(DAY, 1));
}

fn request(time: Timestamp) -> Request {
    Request {
        version: requests::VERSION,
        id: Uuid::now_v7(),
        time,
        request_id: "chosen-by-a-client".to_owned(),
        method: "GET".to_owned(),
        route: "/v1/things/{thing}".to_owned(),
        status: 404,
        error: Some("not_found".to_owned()),
        milliseconds: 12,
        user_id: Some(Uuid::now_v7()),
        agent: Some("curl/8.0".to_owned()),
    }
}

async fn a_request_is_kept_once_until_it_expires<D: Documents>(documents: D) {
    let week = Retention::new(NonZeroU32::new(7));
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    let stranger = Request {
        error: None,
        user_id: None,
        agent: None,
        ..request(now)
    };
    let fresh = [request(now - Span::new().hours(1)), stranger];
    let old = request(now - Span::new().hours(8 * 24));
    documents.note(&fresh, week).await.unwrap();
    documents
        .note(&[old, fresh[1].clone()], week)
        .await
        .unwrap();
    documents.expire(now).await.unwrap();
    // A server looks for what has expired from time to time.
    let kept = async || documents.requests(Timestamp::UNIX_EPOCH, 10).await.unwrap();
    while kept().await.len() > fresh.len() {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(kept().await, fresh);
    assert_eq!(documents.requests(now, 10).await.unwrap(), fresh[1..]);
}
