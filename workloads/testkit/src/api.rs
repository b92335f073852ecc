//! What a person can do through the public interface, wherever the product runs: the same cases for
//! a cluster and for one process ([`api_suite`](crate::api_suite)).
//!
//! The model of the system answers with [`ANSWER`] and the question, in several pieces: the echo and
//! the stand-in for Groq do.

use chatbot_api::conversations::Role;
use chatbot_api::turns::TurnEvent;
use uuid::Uuid;

use crate::person::{Person, Result, fetch, streamed, text};

/// What an answer begins with; the question follows.
pub const ANSWER: &str = "You said: ";

/// Makes a test of each case. The argument is an async function that gives the URL of a system, and
/// with it what must live as long as the test.
#[macro_export]
macro_rules! api_suite {
    ($system:path) => {
        $crate::api_suite! {
            $system:
            a_question_is_answered_by_the_model_as_one_json_document
            an_answer_is_streamed_as_server_sent_events
            an_answer_is_streamed_over_a_websocket
            a_question_asked_twice_under_one_key_is_stored_once
            conversations_are_listed_read_by_cursor_and_deleted
            another_persons_conversation_is_not_there
            the_chat_page_is_served
            without_a_token_nothing_is_answered
            nothing_internal_is_reached_from_outside
            a_key_with_another_question_is_refused
            a_message_out_of_range_is_refused
        }
    };
    ($system:path: $($case:ident)+) => {
        $(#[tokio::test]
        async fn $case() -> Result<(), Box<dyn std::error::Error>> {
            let (url, _running) = $system().await?;
            $crate::api::$case(&url).await?;
            Ok(())
        })+
    };
}

/// A turn comes back whole, with what the model used.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn a_question_is_answered_by_the_model_as_one_json_document(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    let turn = person.ask(None, "good morning").await?;
    assert_eq!(turn.message.content, "good morning");
    assert_eq!(turn.answer.content, format!("{ANSWER}good morning"));
    assert_eq!((turn.message.seq, turn.answer.seq), (1, 2));
    assert_eq!(
        (turn.message.role, turn.answer.role),
        (Role::User, Role::Assistant)
    );
    assert_eq!(turn.finish_reason, "stop");
    assert!(turn.usage.is_some_and(|usage| usage.completion_tokens > 0));
    Ok(())
}

/// The answer comes in pieces, as server-sent events.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn an_answer_is_streamed_as_server_sent_events(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    check_stream(
        &person.ask_streaming(None, "one two three").await?,
        "one two three",
    );
    Ok(())
}

/// The answer comes in pieces, over a WebSocket.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn an_answer_is_streamed_over_a_websocket(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    check_stream(
        &person.ask_over_websocket("four five six").await?,
        "four five six",
    );
    Ok(())
}

/// First `accepted`, then the answer in pieces, last `done` with the whole turn.
fn check_stream(events: &[TurnEvent], question: &str) {
    let answer = format!("{ANSWER}{question}");
    let [
        TurnEvent::Accepted { message },
        deltas @ ..,
        TurnEvent::Done { turn },
    ] = events
    else {
        panic!("a stream begins with accepted and ends with done: {events:?}");
    };
    assert_eq!(message.content, question);
    assert!(
        deltas.len() > 1,
        "an answer of several words comes in several pieces: {deltas:?}"
    );
    assert_eq!(streamed(deltas), answer);
    assert_eq!(turn.message, *message);
    assert_eq!(turn.answer.content, answer);
}

/// The same key with the same question is one turn.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn a_question_asked_twice_under_one_key_is_stored_once(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    let key = Uuid::new_v4();
    let first = person.ask_once(&key, "only once").await?;
    let second = person.ask_once(&key, "only once").await?;
    assert_eq!(first, second);
    let messages = person.messages(first.message.conversation_id, 50).await?;
    assert_eq!(messages, [first.message, first.answer]);
    Ok(())
}

/// Conversations can be listed, read page by page, and deleted.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn conversations_are_listed_read_by_cursor_and_deleted(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    let first = person.ask(None, "the first question").await?;
    let conversation = first.message.conversation_id;
    for number in 2..=4 {
        person
            .ask(Some(conversation), &format!("question {number}"))
            .await?;
    }
    let others = [
        person
            .ask(None, "something else")
            .await?
            .message
            .conversation_id,
        person.ask(None, "and again").await?.message.conversation_id,
    ];

    let listed: Vec<Uuid> = person
        .conversations()
        .await?
        .iter()
        .map(|listed| listed.id)
        .collect();
    assert_eq!(listed, [others[1], others[0], conversation]);

    let messages = person.messages(conversation, 3).await?;
    let seqs: Vec<u64> = messages.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(messages[7].content, format!("{ANSWER}question 4"));

    person.delete(conversation).await?;
    assert_eq!(person.messages_in_vain(conversation).await?.status, 404);
    let left: Vec<Uuid> = person
        .conversations()
        .await?
        .iter()
        .map(|listed| listed.id)
        .collect();
    assert_eq!(left, [others[1], others[0]]);
    Ok(())
}

/// What belongs to another person does not exist.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn another_persons_conversation_is_not_there(url: &str) -> Result<()> {
    let one = Person::register(url).await?;
    let other = Person::register(url).await?;
    let conversation = one.ask(None, "mine").await?.message.conversation_id;
    assert_eq!(other.messages_in_vain(conversation).await?.status, 404);
    Ok(())
}

/// The page is there, with everything it links.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn the_chat_page_is_served(url: &str) -> Result<()> {
    let page = fetch(url).await?;
    assert_eq!(page.status(), 200);
    let kind = &page.headers()["content-type"];
    assert!(kind.as_bytes().starts_with(b"text/html"), "{kind:?}");
    let html = text("read the page", page).await?;
    assert!(html.contains("<html"), "{html}");
    for asset in linked(&html) {
        let status = fetch(&format!("{url}{asset}")).await?.status();
        assert_eq!(status, 200, "{asset}");
    }
    Ok(())
}

/// Paths of scripts and styles that a page asks for.
fn linked(html: &str) -> Vec<String> {
    ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| path.starts_with('/') && path.len() > 1)
        .map(str::to_owned)
        .collect()
}

/// Who has not logged in reads nothing.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn without_a_token_nothing_is_answered(url: &str) -> Result<()> {
    for path in ["/v1/conversations", "/v1/me"] {
        let status = fetch(&format!("{url}{path}")).await?.status();
        assert_eq!(status, 401, "{path}");
    }
    Ok(())
}

/// What is for the inside is not reached from the outside.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn nothing_internal_is_reached_from_outside(url: &str) -> Result<()> {
    for path in [
        "/metrics",
        "/report",
        "/livez",
        "/internal/v1/conversations",
        "/internal/v1/jwks",
    ] {
        let status = fetch(&format!("{url}{path}")).await?.status();
        assert_eq!(status, 404, "{path}");
    }
    Ok(())
}

/// A key that was used for one question is refused for another.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn a_key_with_another_question_is_refused(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    let key = Uuid::new_v4();
    person.ask_once(&key, "one question").await?;
    let refusal = person.ask_once_in_vain(&key, "another question").await?;
    assert_eq!(refusal.status, 422);
    assert_eq!(refusal.body["error"]["code"], "idempotency_key_reused");
    Ok(())
}

/// A message that is empty or too long is refused by a documented error.
///
/// # Errors
/// A request fails.
///
/// # Panics
/// It is not so.
pub async fn a_message_out_of_range_is_refused(url: &str) -> Result<()> {
    let person = Person::register(url).await?;
    for (message, status) in [(String::new(), 400), ("x".repeat(32_001), 413)] {
        let refusal = person.ask_in_vain(&message).await?;
        assert_eq!(refusal.status, status, "{}", refusal.body);
        assert_eq!(refusal.body["error"]["param"], "message");
    }
    Ok(())
}
