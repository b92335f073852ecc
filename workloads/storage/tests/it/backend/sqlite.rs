//! A file of its own.

use chatbot_runtime::sqlite::Database;
use chatbot_storage::SQLITE;
use chatbot_storage::store::SqliteStore;

use super::Backend;

pub(crate) struct OnSqlite {
    database: Database,
    _folder: tempfile::TempDir,
}

impl Backend for OnSqlite {
    type Store = SqliteStore;

    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        Self {
            database: Database::open(&file, &[SQLITE]).await.unwrap(),
            _folder: folder,
        }
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::new(self.database.clone())
    }

    async fn execute(&self, statement: String) {
        let mut tx = self.database.write().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn number(&self, query: String) -> i64 {
        let mut tx = self.database.read().await.unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut *tx)
            .await
            .unwrap()
    }
}
