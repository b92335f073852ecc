//! The document store for tests: what is written is found again, also after a crash of FerretDB.

use chatbot_testkit::documents::Documents;
use mongodb::bson::doc;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_workloads_account_writes_is_found_again_after_a_crash() {
    let documents = Documents::start().await.unwrap();
    let words = documents.collection("chatbot", "words").unwrap();
    words
        .insert_one(doc! {"_id": "one", "text": "hello"})
        .await
        .unwrap();

    documents.kill();
    documents.start_again().await.unwrap();
    let words = documents.collection("chatbot", "words").unwrap();
    let found = words.find_one(doc! {"_id": "one"}).await.unwrap().unwrap();
    assert_eq!(found.get_str("text").unwrap(), "hello");
}
