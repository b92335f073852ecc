//! A schema of its own on a real MySQL.

use std::sync::Arc;
use std::time::Duration;

use chatbot_runtime::mysql::{self, Database, Topology};
use chatbot_storage::store::{Events, MysqlStore};
use chatbot_testkit::mysql::{Mysql, TestDatabase};
use sqlx::MySqlConnection;

use super::Backend;

pub(crate) struct OnMysql {
    pub(crate) database: Database,
    test: TestDatabase,
    mysql: Arc<Mysql>,
    _password: tempfile::NamedTempFile,
}

impl OnMysql {
    /// An administrator's connection, in the schema.
    pub(crate) async fn sql(&self) -> MySqlConnection {
        let mut connection = self.mysql.admin().await.unwrap();
        let schema = &self.test.schema;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("USE {schema}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }
}

impl Backend for OnMysql {
    type Store = MysqlStore;

    async fn new() -> Self {
        let mysql = Mysql::shared().await.unwrap();
        let test = mysql.database().await.unwrap();
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), &test.password).unwrap();
        let database = Database::new(mysql::Config {
            hosts: vec![test.address.parse().unwrap()],
            topology: Topology::Single,
            user: test.user.clone(),
            password_file: password.path().to_owned(),
            tls: mysql::Tls::Unverified,
            ca_file: None,
            schema: test.schema.clone(),
            deadline: Duration::from_secs(30),
        });
        mysql::migrate(&database, &chatbot_storage::MIGRATIONS)
            .await
            .unwrap();
        Self {
            database,
            test,
            mysql,
            _password: password,
        }
    }

    fn store(&self) -> MysqlStore {
        MysqlStore::new(self.database.clone(), Events::Written)
    }

    async fn execute(&self, statement: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut self.sql().await)
            .await
            .unwrap();
    }

    async fn number(&self, query: String) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut self.sql().await)
            .await
            .unwrap()
    }
}
