//! What a person can do, through nginx; all tests here share one chat system.

use chatbot_api::conversations::Role;
use chatbot_api::turns::TurnEvent;
use chatbot_e2e::model::ANSWER;
use chatbot_e2e::person::{Person, client, streamed};
use chatbot_e2e::{Cluster, Result, mysql, shared};
use uuid::Uuid;

async fn person() -> Result<Person> {
    let cluster = Cluster::connect().await?;
    let system = shared::system(&cluster).await?;
    Person::register(&system.url().await?).await
}

#[tokio::test]
async fn a_question_is_answered_by_the_model_as_one_json_document() -> Result<()> {
    let person = person().await?;
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

#[tokio::test]
async fn an_answer_is_streamed_as_server_sent_events() -> Result<()> {
    let person = person().await?;
    check_stream(
        &person.ask_streaming(None, "one two three").await?,
        "one two three",
    );
    Ok(())
}

#[tokio::test]
async fn an_answer_is_streamed_over_a_websocket() -> Result<()> {
    let person = person().await?;
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

#[tokio::test]
async fn a_question_asked_twice_under_one_key_is_stored_once() -> Result<()> {
    let person = person().await?;
    let key = Uuid::new_v4();
    let first = person.ask_once(&key, "only once").await?;
    let second = person.ask_once(&key, "only once").await?;
    assert_eq!(first, second);
    let messages = person.messages(first.message.conversation_id, 50).await?;
    assert_eq!(messages, [first.message, first.answer]);
    Ok(())
}

#[tokio::test]
async fn conversations_are_listed_read_by_cursor_and_deleted() -> Result<()> {
    let person = person().await?;
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

#[tokio::test]
async fn another_persons_conversation_is_not_there() -> Result<()> {
    let one = person().await?;
    let other = Person::register(&one.url).await?;
    let conversation = one.ask(None, "mine").await?.message.conversation_id;
    assert_eq!(other.messages_in_vain(conversation).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_turn_is_stored_in_mysql_as_ciphertext() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let system = shared::system(&cluster).await?;
    let person = Person::register(&system.url().await?).await?;
    let secret = format!("a rather confidential sentence {}", Uuid::new_v4());
    let turn = person.ask(None, &secret).await?;

    let id = turn.message.conversation_id.simple();
    let count = format!(
        "SELECT COUNT(*) FROM conversations.messages WHERE conversation_id = UNHEX('{id}')"
    );
    assert_eq!(mysql::query(&system, &count).await?, "2");
    let ours = format!("WHERE conversation_id = UNHEX('{id}')");
    let everything = [
        format!("SELECT * FROM conversations.messages {ours}"),
        format!("SELECT * FROM conversations.turns {ours}"),
        format!("SELECT * FROM conversations.conversations WHERE id = UNHEX('{id}')"),
    ];
    for statement in everything {
        let rows = mysql::query(&system, &statement).await?;
        assert!(!rows.is_empty(), "no row: {statement}");
        assert!(
            !mysql::holds(&rows, &secret),
            "the plain text is in the table: {statement}"
        );
    }
    let users = mysql::query(&system, "SELECT * FROM users.accounts").await?;
    assert!(!mysql::holds(&users, "correct horse battery staple"));
    Ok(())
}

#[tokio::test]
async fn the_chat_page_is_served() -> Result<()> {
    let url = person().await?.url;
    let page = client()?.get(&url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let kind = page.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/html"), "{kind}");
    let html = page.text().await.unwrap();
    assert!(html.contains("<html"), "{html}");
    for asset in linked(&html) {
        let answer = client()?.get(format!("{url}{asset}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{asset}");
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

#[tokio::test]
async fn without_a_token_nothing_is_answered() -> Result<()> {
    let url = person().await?.url;
    for path in ["/v1/conversations", "/v1/me"] {
        let answer = client()?.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_internal_is_reached_through_the_load_balancer() -> Result<()> {
    let url = person().await?.url;
    for path in [
        "/metrics",
        "/report",
        "/livez",
        "/internal/v1/conversations",
        "/internal/v1/jwks",
    ] {
        let answer = client()?.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    Ok(())
}
