//! What a person can do, through nginx; all tests here share one chat system.

use chatbot_e2e::{Cluster, Result, mysql, shared};
use chatbot_testkit::person::Person;
use uuid::Uuid;

async fn system() -> Result<(String, ())> {
    let cluster = Cluster::connect().await?;
    let system = shared::system(&cluster).await?;
    Ok((system.url().await?, ()))
}

chatbot_testkit::api_suite!(system);

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
