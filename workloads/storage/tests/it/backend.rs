//! The databases that the suite runs on.

mod mysql;
mod sqlite;

use chatbot_storage::store::Store;
use chatbot_storage::store::deliveries::DeliveryStore;
use chatbot_storage::store::outbox::Outbox;
use chatbot_storage::store::source::Source;
use uuid::Uuid;

pub(crate) use mysql::OnMysql;
pub(crate) use sqlite::OnSqlite;

/// A database of a test's own. Statements are in words that both understand.
pub(crate) trait Backend: Sized {
    /// The adapter under test.
    type Store: Store + Outbox + DeliveryStore + Source + Clone;

    async fn new() -> Self;

    /// The store as one more process sees it; it writes events.
    fn store(&self) -> Self::Store;

    /// Runs a statement past the store.
    async fn execute(&self, statement: String);

    /// Reads one number past the store.
    async fn number(&self, query: String) -> i64;
}

/// An id as it stands in a statement.
pub(crate) fn literal(id: Uuid) -> String {
    format!("X'{}'", id.simple())
}

/// Makes a test of each case on each database: `suite!(a_case, another_case)`.
macro_rules! suite {
    ($($case:ident),+ $(,)?) => {
        mod on_mysql {
            $(#[tokio::test]
            async fn $case() {
                super::$case::<crate::backend::OnMysql>().await;
            })+
        }

        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case::<crate::backend::OnSqlite>().await;
            })+
        }
    };
}

pub(crate) use suite;
