//! Units of work on one SQLite file.

use std::path::Path;

use chatbot_runtime::sqlite::{Database, Error, Schema};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

/// This release has no steps: the table is made by the tests.
static NONE: Migrator = Migrator::DEFAULT;

const SCHEMA: Schema = Schema {
    name: "notes",
    migrations: &NONE,
};

async fn open(file: &Path) -> Database {
    let database = Database::open(file, &[SCHEMA]).await.unwrap();
    let mut tx = database.write().await.unwrap();
    run(
        &mut tx,
        "CREATE TABLE IF NOT EXISTS notes (number INTEGER PRIMARY KEY) STRICT",
    )
    .await;
    tx.commit().await.unwrap();
    database
}

async fn run(tx: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(tx).await.unwrap();
}

async fn count(tx: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM notes")
        .fetch_one(tx)
        .await
        .unwrap()
}

#[tokio::test]
async fn units_that_write_at_the_same_time_run_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("a.db")).await;
    let units = (0..32).map(|_| async {
        let mut tx = database.write().await.unwrap();
        // What was read is still so at the insert: two would meet at the same number otherwise.
        let number = count(&mut tx).await;
        tokio::task::yield_now().await;
        sqlx::query("INSERT INTO notes VALUES (?)")
            .bind(number)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    });
    futures::future::join_all(units).await;
    let mut tx = database.read().await.unwrap();
    assert_eq!(count(&mut tx).await, 32);
}

#[tokio::test]
async fn a_unit_that_reads_sees_one_moment_and_waits_for_no_writer() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("a.db")).await;
    let mut reading = database.read().await.unwrap();
    assert_eq!(count(&mut reading).await, 0);
    let mut writing = database.write().await.unwrap();
    run(&mut writing, "INSERT INTO notes VALUES (1)").await;
    assert_eq!(count(&mut database.read().await.unwrap()).await, 0);
    writing.commit().await.unwrap();
    assert_eq!(count(&mut reading).await, 0);
    assert_eq!(count(&mut database.read().await.unwrap()).await, 1);
}

#[tokio::test]
async fn a_unit_that_is_dropped_has_changed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("a.db")).await;
    let mut tx = database.write().await.unwrap();
    run(&mut tx, "INSERT INTO notes VALUES (1)").await;
    drop(tx);
    let mut next = database.write().await.unwrap();
    assert_eq!(count(&mut next).await, 0);
}

#[tokio::test]
async fn what_was_committed_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let database = open(&file).await;
    let mut tx = database.write().await.unwrap();
    run(&mut tx, "INSERT INTO notes VALUES (1)").await;
    tx.commit().await.unwrap();
    database.close().await;
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a closed database is one file: {left:?}");
    let again = open(&file).await;
    assert_eq!(count(&mut again.read().await.unwrap()).await, 1);
}

#[tokio::test]
async fn a_file_with_a_step_that_is_not_known_here_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let database = open(&file).await;
    let mut tx = database.write().await.unwrap();
    run(
        &mut tx,
        "INSERT INTO notes_migrations (version, description, success, checksum, execution_time) \
         VALUES (7, 'of a newer release', TRUE, X'', 0)",
    )
    .await;
    tx.commit().await.unwrap();
    database.close().await;
    let refused = Database::open(&file, &[SCHEMA]).await;
    assert!(matches!(refused, Err(Error::Newer { step: 7, .. })));
}

#[tokio::test]
async fn a_full_disk_may_pass_and_a_wrong_statement_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("a.db")).await;
    let mut tx = database.write().await.unwrap();
    run(&mut tx, "CREATE TABLE large (content BLOB) STRICT").await;
    // It cannot be less than the file has.
    run(&mut tx, "PRAGMA max_page_count = 1").await;
    let full = sqlx::query("INSERT INTO large VALUES (zeroblob(1000000))")
        .execute(&mut *tx)
        .await
        .unwrap_err();
    assert!(Error::from(full).may_pass());
    let wrong = sqlx::query("SELECT nothing FROM nowhere")
        .execute(&mut *tx)
        .await
        .unwrap_err();
    assert!(!Error::from(wrong).may_pass());
}
