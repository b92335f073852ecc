//! The databases that the suite runs on.

mod mysql;
mod sqlite;

use chatbot_user::store::Store;

pub(crate) use mysql::OnMysql;
pub(crate) use sqlite::OnSqlite;

/// A database of a test's own. Statements are in words that both understand.
pub(crate) trait Backend: Sized {
    /// The adapter under test.
    type Store: Store;

    async fn new() -> Self;

    fn store(&self) -> Self::Store;

    /// Runs a statement past the store.
    async fn execute(&self, statement: &str);
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
