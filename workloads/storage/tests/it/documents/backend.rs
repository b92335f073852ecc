//! The document stores that the suite runs on.

use chatbot_runtime::sqlite::Database;
use chatbot_storage::SQLITE_DOCUMENTS;
use chatbot_storage::documents::{
    Documents as _, MongoDocuments, Retention, Settings, SqliteDocuments,
};
use chatbot_testkit::documents::{self, Documents};

/// The way to a database of that name.
pub(crate) fn settings(documents: &Documents, database: &str) -> Settings {
    Settings {
        hosts: documents.address(),
        replica_set: None,
        database: database.to_owned(),
        user: documents::USER.to_owned(),
        password: documents::PASSWORD.to_owned(),
        tls: false,
        authority: None,
        retention: Retention::default(),
        request_retention: Retention::default(),
    }
}

/// A database of that name.
pub(crate) async fn on_ferretdb(documents: &Documents, database: &str) -> MongoDocuments {
    let store = MongoDocuments::new(&settings(documents, database)).unwrap();
    store.prepare().await.unwrap();
    // Every process prepares when it starts.
    store.prepare().await.unwrap();
    store
}

/// A file of its own, as long as the folder lives.
pub(crate) async fn on_sqlite(folder: &tempfile::TempDir) -> SqliteDocuments {
    let file = folder.path().join("test.db");
    let database = Database::open(&file, &[SQLITE_DOCUMENTS]).await.unwrap();
    SqliteDocuments::new(database)
}

/// Makes a test of each case on SQLite, and one of all on FerretDB, which takes seconds to start.
macro_rules! suite {
    ($($case:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let documents = super::backend::on_sqlite(&folder).await;
                super::$case(documents).await;
            })+
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn every_case_holds_on_ferretdb() {
            let server = chatbot_testkit::documents::Documents::start().await.unwrap();
            // The name of a database has at most 63 bytes.
            let mut number = 0;
            $(
                number += 1;
                let documents = backend::on_ferretdb(&server, &format!("case{number}")).await;
                println!(stringify!($case));
                $case(documents).await;
            )+
        }
    };
}

pub(crate) use suite;
